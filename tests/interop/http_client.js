// Node's HTTP clients as a peer: reads one JSON request a line from its standard input and answers in kind; bodies are base64.
// `via` is "fetch" or "http" (node:http and node:https with one agent that keeps connections).
'use strict'

const http = require('node:http')
const https = require('node:https')
const readline = require('node:readline')

const keepers = { 'http:': new http.Agent({ keepAlive: true }), 'https:': new https.Agent({ keepAlive: true }) }
const following = new Map() // id: AbortController

function say (what) {
  process.stdout.write(JSON.stringify(what) + '\n')
}

async function byFetch (line, body) {
  const leave = new AbortController()
  following.set(line.id, leave)
  const answer = await fetch(line.url, { method: line.method, headers: line.headers, body, redirect: 'manual', signal: leave.signal })
  const head = { id: line.id, status: answer.status, fields: Object.fromEntries(answer.headers) }
  if (!line.follow) {
    say({ ...head, body: Buffer.from(await answer.arrayBuffer()).toString('base64') })
    return
  }
  say({ ...head, body: '' })
  for await (const piece of answer.body) say({ id: line.id, piece: Buffer.from(piece).toString('base64') })
  say({ id: line.id, ended: true })
}

function byHttp (line, body) {
  return new Promise((resolve, reject) => {
    const url = new URL(line.url)
    const client = url.protocol === 'https:' ? https : http
    let continued = false
    const tls = line.tls ? { ...line.tls, agent: new https.Agent({ keepAlive: false }) } : { agent: keepers[url.protocol] }
    const headers = { ...line.headers }
    if (body) headers['Content-Length'] = body.length
    const request = client.request(url, { method: line.method, headers, ...tls }, (answer) => {
      const pieces = []
      answer.on('data', (piece) => pieces.push(piece))
      answer.on('error', reject)
      answer.on('end', () => {
        const body = Buffer.concat(pieces).toString('base64')
        say({ id: line.id, status: answer.statusCode, fields: answer.headers, body, continued })
        resolve()
      })
    })
    request.on('error', reject)
    if (!headers.Expect) {
      request.end(body)
      return
    }
    request.on('continue', () => {
      continued = true
      request.end(body)
    })
    request.flushHeaders()
  })
}

readline.createInterface({ input: process.stdin }).on('line', async (text) => {
  const line = JSON.parse(text)
  if (line.leave !== undefined) {
    following.get(line.leave).abort()
    return
  }
  try {
    const body = line.body === undefined ? undefined : Buffer.from(line.body, 'base64')
    await (line.via === 'fetch' ? byFetch : byHttp)(line, body)
  } catch (error) {
    say({ id: line.id, error: String(error.cause ?? error) })
  }
}).on('close', () => process.exit(0))

say({ ready: true })
