import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer as createPlainServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TlsOptions } from "node:tls";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { writeCertificates } from "./certificates.ts";
import { checkMeshHop } from "./check-mesh-hop.ts";

const folder = mkdtempSync(join(tmpdir(), "entente-bench-test-"));
const certificates = writeCertificates(folder, Date.now());
const pem = readFileSync(certificates.server);
const MUTUAL: TlsOptions = {
  cert: pem,
  key: pem,
  ca: readFileSync(certificates.root),
  requestCert: true,
  rejectUnauthorized: true,
};
let server: Server | undefined;

afterEach(() => {
  server?.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function answer(socket: NodeJS.ReadWriteStream): void {
  socket.on("error", () => undefined);
  socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
}

async function check(listening: Server): Promise<readonly string[]> {
  server = listening;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = address === null || typeof address === "string" ? 0 : address.port;
  return await checkMeshHop({ port, application: "http/1.1", certificates });
}

describe("the check of a mesh hop", () => {
  it("finds nothing wrong with mutual TLS 1.3", async () => {
    expect(await check(createServer({ ...MUTUAL, ALPNProtocols: ["istio"] }, answer))).toEqual([]);
  });

  it("finds a server that does without the client's certificate", async () => {
    const faults = await check(createServer({ ...MUTUAL, requestCert: false, ALPNProtocols: ["istio"] }, answer));
    expect(faults).toEqual(["a client with no certificate is served"]);
  });

  it("finds a hop that speaks TLS 1.2", async () => {
    const options: TlsOptions = { ...MUTUAL, maxVersion: "TLSv1.2", ALPNProtocols: ["istio"] };
    expect(await check(createServer(options, answer))).toEqual(["the mesh hop speaks TLSv1.2"]);
  });

  it("finds a hop that is plaintext", async () => {
    const faults = await check(createPlainServer(answer));
    expect(faults.at(0)).toMatch(/^a client with a certificate is refused/);
    expect(faults.at(-1)).toBe("a client with plaintext is served");
  });
});
