import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConnectionOptions, connect } from "node:tls";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { writeCertificates } from "./certificates.ts";
import { checkClientSide, startHopRecorder } from "./check-client-side.ts";

const folder = mkdtempSync(join(tmpdir(), "entente-bench-test-"));
const certificates = writeCertificates(folder, Date.now());
const pem = readFileSync(certificates.client);
const MUTUAL: ConnectionOptions = { cert: pem, key: pem, rejectUnauthorized: false, ALPNProtocols: ["istio"] };
let server: Server | undefined;

afterEach(() => void server?.close());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A client's side that relays bytes over TLS as configured. */
async function check(tls: ConnectionOptions, hop: "http/1.1" | "h2"): Promise<readonly string[]> {
  const recorder = await startHopRecorder(certificates);
  server = createServer((client: Socket) => {
    const upstream = connect({ ...tls, host: "127.0.0.1", port: recorder.port });
    for (const socket of [client, upstream]) socket.on("error", () => undefined);
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = address === null || typeof address === "string" ? 0 : address.port;
  const faults = await checkClientSide(port, recorder, { application: "http/1.1", hop });
  recorder.stop();
  return faults;
}

describe("the check of a client's side", () => {
  it("finds nothing wrong with HTTP/1.1 over mutual TLS 1.3", async () => {
    expect(await check(MUTUAL, "http/1.1")).toEqual([]);
  });

  it.each([
    { name: "TLS 1.2", tls: { ...MUTUAL, maxVersion: "TLSv1.2" as const }, fault: "the client's side speaks TLSv1.2" },
    {
      name: "no certificate",
      tls: { ...MUTUAL, cert: undefined, key: undefined },
      fault: "the client's side has no certificate of the mesh",
    },
  ])("finds $name", async ({ tls, fault }) => {
    expect(await check(tls, "http/1.1")).toEqual([fault]);
  });

  it("finds a hop of another protocol than the path's name says", async () => {
    expect(await check(MUTUAL, "h2")).toEqual(["the mesh hop carries http/1.1 instead of h2"]);
  });
});
