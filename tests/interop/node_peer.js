// The npm `coap` peer: `node node_peer.js server PORT` or `node node_peer.js client`. The client reads one JSON request a line
// from its standard input and answers in kind; payloads are base64.
'use strict'

const readline = require('node:readline')
const coap = require('coap')

function say (what) {
  process.stdout.write(JSON.stringify(what) + '\n')
}

// ---- server: /hello, /store (GET, PUT, POST, DELETE, observable), /echo (FETCH)

function serve (port) {
  let stored = null
  const watchers = new Map() // by client and token

  function handleStore (req, res) {
    const who = `${req.rsinfo.address}:${req.rsinfo.port}/${req._packet.token.toString('hex')}`
    if (req.method === 'GET' && req.headers.Observe === 0) {
      watchers.set(who, res)
      res.on('finish', () => watchers.delete(who)) // Reset or timeout
      res.statusCode = '2.05'
      res.write(stored ?? Buffer.from('nothing'))
      return
    }
    if (req.method === 'GET') {
      if (req.headers.Observe === 1) watchers.delete(who) // the library leaves a cancellation to its user
      res.statusCode = stored === null ? '4.04' : '2.05'
      if (stored !== null) res.setOption('Content-Format', 'application/octet-stream')
      res.end(stored ?? undefined)
    } else if (req.method === 'PUT' || req.method === 'POST') {
      res.statusCode = stored === null ? '2.01' : '2.04'
      stored = Buffer.from(req.payload)
      res.end()
      for (const watcher of watchers.values()) watcher.write(stored)
    } else {
      stored = null
      res.statusCode = '2.02'
      res.end()
    }
  }

  const server = coap.createServer({ type: 'udp4' }, (req, res) => {
    if (req.url === '/hello') {
      res.setOption('Content-Format', 'text/plain')
      res.end('hello from node')
    } else if (req.url === '/echo') {
      res.end(req.payload)
    } else if (req.url === '/store') {
      handleStore(req, res)
    } else {
      res.statusCode = '4.04'
      res.end()
    }
  })
  // The library keeps the blocks of an upload by Token, which RFC 7959 lets change with each block; here by client alone.
  const byToken = server._toCacheKey.bind(server)
  server._toCacheKey = (request, packet) =>
    packet.options.some((option) => option.name === 'Block1') ? `upload/${server._clientIdentifier(request)}` : byToken(request, packet)
  server.listen(port, '127.0.0.1', () => say({ ready: port }))
}

// ---- client

function ask (library, streams, line) {
  const { id, host, port, method, path, options, payload, proxyUri, observe, block } = line
  const decoded = {} // given with the address, so that a cancellation carries them too
  for (const [name, value] of Object.entries(options ?? {})) decoded[name] = Buffer.from(value, 'base64')
  const req = library.request({ host, port, method, pathname: path, proxyUri, observe: observe ?? false, options: decoded })
  if (block) req.setOption('Block1', Buffer.of(6))
  req.on('error', (error) => say({ id, error: String(error) }))
  req.on('timeout', () => say({ id, error: 'timeout' }))
  req.on('response', (res) => {
    const tell = (body) => say({
      id, code: res.code, observe: res.headers.Observe ?? null, options: Object.keys(res.headers), payload: body.toString('base64')
    })
    if (observe) {
      streams.set(id, res)
      res.on('data', tell)
    } else {
      tell(res.payload)
    }
  })
  req.end(payload === undefined ? undefined : Buffer.from(payload, 'base64'))
}

function client () {
  const library = new coap.Agent({ type: 'udp4' })
  library._cleanUp = () => {} // one socket, and so one endpoint, for all requests
  const streams = new Map()
  readline.createInterface({ input: process.stdin }).on('line', (text) => {
    const line = JSON.parse(text)
    if (line.cancel !== undefined) {
      streams.get(line.cancel).close(true)
    } else {
      ask(library, streams, line)
    }
  }).on('close', () => process.exit(0))
  say({ ready: true })
}

if (process.argv[2] === 'server') {
  serve(Number(process.argv[3]))
} else {
  client()
}
