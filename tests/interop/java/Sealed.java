import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;

import org.eclipse.californium.core.coap.CoAP;
import org.eclipse.californium.core.coap.Message;
import org.eclipse.californium.core.coap.OptionSet;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.coap.Response;
import org.eclipse.californium.core.coap.Token;
import org.eclipse.californium.cose.AlgorithmID;
import org.eclipse.californium.oscore.HashMapCtxDB;
import org.eclipse.californium.oscore.OSCoreCtx;
import org.eclipse.californium.oscore.RequestEncryptor;
import org.eclipse.californium.oscore.ResponseEncryptor;

/**
 * Random messages that Californium protects with OSCORE: java Sealed.java SEED COUNT SET
 *
 * Writes what oscore-keys reads of its contexts (a length of 4 bytes, the text), then for each message a question to oscore-reader about all of its
 * fields and the answer that is right, each behind its length of 4 bytes (oscore/opening.c has their form). Californium has the mandatory algorithm
 * alone.
 */
public class Sealed {
	static final String[] WORDS = { "a", "firmware", "temperature", ".", "..", "%2e", "\u00e4\u00f6", "x".repeat(13), "y".repeat(255) };
	static final int[] FORMATS = { 0, 40, 50, 60, 110, 11542, 65000 };
	static final int ALL_FIELDS = (1 << 10) - 1;

	final Random random;
	final long set;
	final DataOutputStream out;
	final List<Context> contexts = new ArrayList<>();
	long number;

	/** Both sides of a context; requests come from the first. */
	class Context {
		final HashMapCtxDB asking = new HashMapCtxDB(), answering = new HashMapCtxDB();
		final OSCoreCtx client, server;
		final String uri, input;

		Context(int n) throws Exception {
			boolean sha512 = random.nextBoolean();
			AlgorithmID kdf = sha512 ? AlgorithmID.HKDF_HMAC_SHA_512 : AlgorithmID.HKDF_HMAC_SHA_256;
			byte[] secret = bytes(n % 2 == 0 ? 16 : 32), salt = bytes(8), idContext = n % 2 == 0 ? null : bytes(8);
			byte[] own = n % 4 == 1 ? new byte[0] : new byte[] { (byte) n, 1 }, other = n % 4 == 1 ? new byte[] { 1 } : new byte[] { (byte) n, 2, 3 };

			uri = "coap://127.0.0." + (n + 1);
			client = new OSCoreCtx(secret, true, AlgorithmID.AES_CCM_16_64_128, own, other, kdf, 32, salt, idContext, 1 << 16);
			server = new OSCoreCtx(secret, false, AlgorithmID.AES_CCM_16_64_128, other, own, kdf, 32, salt, idContext, 1 << 16);
			client.setSenderSeq(n * 1000);
			asking.addContext(uri, client);
			answering.addContext(server);
			input = "context c" + n + "\nhkdf " + (sha512 ? "SHA-512" : "SHA-256") + "\nmaster-secret "
					+ hex(secret) + "\nmaster-salt " + hex(salt) + "\nsender " + hex(own) + "\nsender " + hex(other) + "\n"
					+ (idContext == null ? "" : "id-context " + hex(idContext) + "\n");
		}
	}

	Sealed(long seed, long set, DataOutputStream out) {
		random = new Random(seed);
		this.set = set;
		this.out = out;
	}

	static String hex(byte[] b) {
		return b.length == 0 ? "-" : HexFormat.of().formatHex(b);
	}

	byte[] bytes(int n) {
		byte[] b = new byte[n];
		random.nextBytes(b);
		return b;
	}

	boolean chance(double p) {
		return random.nextDouble() < p;
	}

	String word() {
		return WORDS[random.nextInt(WORDS.length)];
	}

	/** An answer's fields in their order. */
	static class Fields {
		final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
		final DataOutputStream body = new DataOutputStream(bytes);
		int there;

		DataOutputStream field(int n) {
			there |= 1 << n;
			return body;
		}

		void texts(List<String> texts) throws IOException {
			body.writeByte(texts.size());
			for (String text : texts) {
				byte[] b = text.getBytes(StandardCharsets.UTF_8);
				body.writeShort(b.length);
				body.write(b);
			}
		}
	}

	void path(Request r, Fields f) throws IOException {
		List<String> path = new ArrayList<>(), query = new ArrayList<>();

		for (int n = random.nextInt(4); n > 0; n--) {
			path.add(word());
			r.getOptions().addUriPath(path.get(path.size() - 1));
		}
		for (int n = random.nextInt(6) - 3; n > 0; n--) {
			query.add(word());
			r.getOptions().addUriQuery(query.get(query.size() - 1));
		}
		f.field(1).writeByte(0);
		f.texts(path);
		if (!query.isEmpty()) {
			f.field(2);
			f.texts(query);
		}
	}

	void blocks(OptionSet o, Fields f, boolean response) throws IOException {
		boolean first = !response && chance(0.15), second = response && chance(0.15);
		int szx = random.nextInt(7);

		if (first)
			o.setBlock1(szx, false, 0);
		if (second)
			o.setBlock2(szx, false, 0);
		if (first || second) {
			f.field(7).writeByte(first ? 1 : 2);
			f.body.writeByte(0);
			f.body.writeShort(szx);
		}
		if (chance(0.1)) {
			int size = random.nextInt(1 << 20);

			if (response)
				o.setSize2(size);
			else
				o.setSize1(size);
			f.field(8).writeByte(response ? 2 : 1);
			f.body.writeInt(size);
		}
	}

	/** Options and payload, and what is right to say of them. */
	void fill(Message m, Fields f, int code, boolean observe) throws IOException {
		OptionSet o = m.getOptions();
		boolean response = m instanceof Response;

		f.field(0).writeByte(code);
		if (!response)
			path((Request) m, f);
		if (chance(0.4)) {
			o.setContentFormat(FORMATS[random.nextInt(FORMATS.length)]);
			f.field(3).writeShort(o.getContentFormat());
		}
		if (observe) {
			o.setObserve(0);
			f.field(4).write(new byte[3]);
		}
		if (chance(0.3)) {
			byte[] etag = bytes(1 + random.nextInt(8));

			o.addETag(etag);
			f.field(5).writeByte(etag.length);
			f.body.write(etag);
		}
		if (response && chance(0.3)) {
			long age = chance(0.2) ? 0xffffffffL : random.nextInt(100000);

			o.setMaxAge(age);
			f.field(6).writeInt((int) age);
		}
		if (!response && chance(0.2))
			o.setAccept(50);
		blocks(o, f, response);
		if (m.isIntendedPayload() && chance(0.8)) {
			byte[] payload = bytes(1 + random.nextInt(chance(0.1) ? 1400 : 60));

			m.setPayload(payload);
			f.field(9).writeByte(0);
			f.body.writeInt(payload.length);
			f.body.write(payload);
		}
	}

	void write(byte[] option, byte[] requestOption, byte[] payload, Fields f) throws IOException {
		ByteArrayOutputStream question = new ByteArrayOutputStream(), answer = new ByteArrayOutputStream();
		DataOutputStream q = new DataOutputStream(question), a = new DataOutputStream(answer);

		number++;
		q.writeByte('Q');
		q.writeByte(requestOption == null ? 0 : 1);
		q.writeByte(option.length);
		q.writeByte(requestOption == null ? 0 : requestOption.length);
		q.writeInt(ALL_FIELDS);
		q.writeInt(payload.length);
		q.writeLong(number);
		q.writeLong(set);
		q.write(option);
		if (requestOption != null)
			q.write(requestOption);
		q.write(payload);
		a.writeByte('A');
		a.writeShort(0);
		a.writeInt(f.there);
		a.writeLong(number);
		f.bytes.writeTo(a);
		out.writeInt(question.size());
		question.writeTo(out);
		out.writeInt(answer.size());
		answer.writeTo(out);
	}

	static byte[] given(byte[] bytes) {
		return bytes == null ? new byte[0] : bytes;
	}

	/** A request, and at times one or more responses to it. */
	void exchange() throws Exception {
		Context c = contexts.get(random.nextInt(contexts.size()));
		CoAP.Code[] codes = CoAP.Code.values();
		CoAP.Code code = codes[random.nextInt(codes.length)];
		boolean observes = (code == CoAP.Code.GET || code == CoAP.Code.FETCH) && chance(0.2);
		Request request = new Request(code);
		Fields f = new Fields();
		int sequence = c.client.getSenderSeq();

		if (code.value == 0)
			return;
		request.setURI(c.uri);
		request.setToken(new Token(new byte[] { 1 }));
		fill(request, f, code.value, observes);
		Request sealed = RequestEncryptor.encrypt(c.asking, request);
		byte[] option = given(sealed.getOptions().getOscore());
		write(option, null, given(sealed.getPayload()), f);

		for (int n = observes ? random.nextInt(5) : random.nextInt(2); n > 0; n--) {
			CoAP.ResponseCode[] all = CoAP.ResponseCode.values();
			CoAP.ResponseCode rc = observes ? CoAP.ResponseCode.CONTENT : all[random.nextInt(all.length)];
			Response response = new Response(rc);
			Fields g = new Fields();

			if (rc.value < 64)
				continue;
			fill(response, g, rc.value, observes);
			response.setToken(new Token(new byte[] { 1 }));
			Response back = ResponseEncryptor.encrypt(c.answering, response, c.server, observes || chance(0.5), false, sequence);
			write(given(back.getOptions().getOscore()), option, given(back.getPayload()), g);
		}
	}

	public static void main(String[] args) throws Exception {
		PrintStream standard = System.out;
		System.setOut(System.err);
		DataOutputStream out = new DataOutputStream(new BufferedOutputStream(standard, 1 << 16));
		Sealed s = new Sealed(Long.parseLong(args[0]), Long.parseUnsignedLong(args[2]), out);
		StringBuilder input = new StringBuilder();

		for (int n = 0; n < 12; n++) {
			s.contexts.add(s.new Context(n));
			input.append(s.contexts.get(n).input);
		}
		byte[] text = input.toString().getBytes(StandardCharsets.UTF_8);
		out.writeInt(text.length);
		out.write(text);
		while (s.number < Long.parseLong(args[1]))
			s.exchange();
		out.flush();
	}
}
