import { connect, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { offersIstioAlpn, readClientHello, readFirstBytes } from "./first-bytes.ts";

/** The ClientHello that Node's own OpenSSL sends. */
async function captureClientHello(options: { alpn?: string[]; groups?: string }): Promise<Buffer> {
  return await new Promise((resolve) => {
    const server = createServer((socket) => {
      const chunks: Buffer[] = [];
      socket.on("error", () => undefined);
      socket.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        const bytes = Buffer.concat(chunks);
        if (readFirstBytes(bytes).kind === "more") return;
        socket.destroy();
        server.close();
        resolve(bytes);
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const raw = connect(typeof address === "object" && address !== null ? address.port : 0, "127.0.0.1");
      raw.on("error", () => undefined);
      const client = connectTls({
        socket: raw,
        servername: "outbound_.8080_._.world.ns2.svc.cluster.local",
        ecdhCurve: options.groups ?? "X25519MLKEM768:X25519",
        ...(options.alpn === undefined ? {} : { ALPNProtocols: options.alpn }),
      });
      client.on("error", () => undefined);
    });
  });
}

let istio: Buffer;
beforeAll(async () => {
  istio = await captureClientHello({ alpn: ["istio-peer-exchange", "istio"] });
});

describe("the first bytes of a client", () => {
  it("a ClientHello with a post-quantum key share is larger than a packet, and read completely", async () => {
    expect(istio.length).toBeGreaterThan(1460);
    const seen = readFirstBytes(istio);
    expect(seen.kind).toBe("tls");
    expect((await readClientHello(istio))?.protocols).toEqual(["istio-peer-exchange", "istio"]);
  });

  it("every shorter prefix is undecided, never plaintext", () => {
    for (let length = 0; length < istio.length; length += 1) {
      expect(readFirstBytes(istio.subarray(0, length)).kind, `${length} bytes`).toBe("more");
    }
  });

  it("bytes that follow the record are not part of it", () => {
    const seen = readFirstBytes(Buffer.concat([istio, Buffer.from("more")]));
    expect(seen.kind === "tls" && seen.record.equals(istio)).toBe(true);
  });

  it.each([
    { name: "an HTTP request", text: "GET / HTTP/1.1\r\n" },
    { name: "one letter", text: "G" },
    { name: "a zero byte", text: "\0" },
    { name: "HTTP/2 with prior knowledge", text: "PRI * HTTP/2.0\r\n" },
    { name: "a handshake type with another version byte", text: "\x16\x02" },
  ])("$name is plaintext", ({ text }) => {
    expect(readFirstBytes(Buffer.from(text, "latin1")).kind).toBe("plaintext");
  });

  it.each([
    { name: "an empty record", hex: "1603010000" },
    { name: "a record above 2^14 bytes", hex: "1603014001" },
    { name: "a ServerHello", hex: "160301000402" },
  ])("$name is malformed", ({ hex }) => {
    expect(readFirstBytes(Buffer.from(hex, "hex")).kind).toBe("malformed");
  });

  it("once decided, more bytes do not change the verdict, whatever they are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.uint8Array({ maxLength: 32 }), (head, tail) => {
        const first = readFirstBytes(Buffer.from(head));
        if (first.kind === "more") return;
        expect(readFirstBytes(Buffer.concat([head, tail])).kind).toBe(first.kind);
      }),
    );
  });
});

describe("ALPN of a ClientHello", () => {
  it("is empty where none is offered", async () => {
    expect((await readClientHello(await captureClientHello({ groups: "X25519" })))?.protocols).toEqual([]);
  });

  it("any damage gives a verdict, never an exception", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(istio.length - 1), fc.nat(255), async (position, value) => {
        const damaged = Buffer.from(istio);
        damaged[position] = value;
        const hello = await readClientHello(damaged);
        expect(hello === undefined || Array.isArray(hello.protocols)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it("a truncated ClientHello is not read as one without ALPN", async () => {
    const record = Buffer.from(istio.subarray(0, 200));
    record.writeUInt16BE(record.length - 5, 3);
    expect(await readClientHello(record)).toBeUndefined();
  });

  it.each([
    { name: "istio's own names", protocols: ["http/1.1", "istio-http/1.1"], isMesh: true },
    { name: "a browser's", protocols: ["h2", "http/1.1"], isMesh: false },
    { name: "a name with the same prefix", protocols: ["istio2"], isMesh: false },
    { name: "none", protocols: [], isMesh: false },
  ])("$name", ({ protocols, isMesh }) => {
    expect(offersIstioAlpn(protocols)).toBe(isMesh);
  });
});
