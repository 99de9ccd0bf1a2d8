import { execFile } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http2";
import type { Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { request } from "undici";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { type EchoJob, EXPECTED } from "../../local/clients/grpc/echo-calls-fixture.ts";
import { addEchoService } from "../../local/clients/grpc/echo-connect-app-fixture.ts";
import { createHttpApp, LARGE_BYTES, type Received } from "../../local/clients/http-app-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { findProgram } from "../find-program.ts";
import { type Child, startChild } from "../processes/child.ts";
import { type CertificateFiles, writeCertificates } from "./certificates.ts";
import { checkClientSide, startHopRecorder } from "./check-client-side.ts";
import { startEnvoySide } from "./envoy-path.ts";
import { CLIENT_ID, SERVER_ID } from "./identities.ts";
import type { ApplicationProtocol } from "./path.ts";
import type { SideJob } from "./side-job.ts";

/** `npm run bench` installs Envoy; without it these tests are skipped. */
const HAS_ENVOY = findProgram("envoy") !== undefined;
const ENTENTE_SIDE = fileURLToPath(new URL("entente-side-process.ts", import.meta.url));
const GRPC_CLIENT = fileURLToPath(new URL("../../local/clients/grpc/connect-program-fixture.ts", import.meta.url));
const FORGED = { "x-forwarded-client-cert": `By=${SERVER_ID};URI=spiffe://cluster.local/ns/bench/sa/other` };

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "entente-interop-"));
const certificates = writeCertificates(folder, Date.now());
const hash = createHash("sha256")
  .update(new X509Certificate(readFileSync(certificates.client)).raw)
  .digest("hex");
/** What the application must receive, whichever of both wrote it. */
const PROVED = new RegExp(`^By=${SERVER_ID};Hash=${hash};(?:Subject="[^"]*";)?URI=${CLIENT_ID}$`);

const children: Child[] = [];
const servers: Server[] = [];
const received: Received[] = [];

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.stop()));
  for (const server of servers.splice(0)) server.close();
  received.length = 0;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Product = "Envoy" | "Entente";

interface Pair {
  readonly client: Product;
  readonly server: Product;
  readonly application: ApplicationProtocol;
  readonly hop: ApplicationProtocol;
}

const WAYS = [
  { client: "Envoy", server: "Entente" },
  { client: "Entente", server: "Envoy" },
] as const;
const GRPC: readonly Pair[] = WAYS.map((way) => ({ ...way, application: "h2", hop: "h2" }));
const HTTP1: readonly Pair[] = WAYS.flatMap((way) => [
  { ...way, application: "http/1.1", hop: "http/1.1" } as const,
  { ...way, application: "http/1.1", hop: "h2" } as const,
]);

async function listen(server: Server): Promise<number> {
  servers.push(server.listen(0, "127.0.0.1"));
  await once(server, "listening");
  const address = server.address();
  return address === null || typeof address === "string" ? 0 : address.port;
}

function startApplication(protocol: ApplicationProtocol): Promise<number> {
  const report = (one: Received): unknown => received.push(one);
  if (protocol === "http/1.1") return listen(createHttpApp(report));
  return listen(createServer(connectNodeAdapter({ routes: (router) => addEchoService(router, report) })));
}

interface SideOptions {
  readonly product: Product;
  readonly side: "client" | "server";
  readonly upstreamPort: number;
  readonly pair: Pair;
  readonly files?: CertificateFiles;
}

/** Starts one sidecar's side. @returns its port */
async function startSide({ product, side, upstreamPort, pair, files = certificates }: SideOptions): Promise<number> {
  const { application, hop } = pair;
  const port = await findFreePort();
  if (product === "Envoy") {
    children.push(await startEnvoySide(folder, { side, port, upstreamPort, hop, application, certificates: files }));
    return port;
  }
  const ofServer = files.server === certificates.server ? SERVER_ID : CLIENT_ID;
  const job: SideJob = {
    ...{ side, port, upstreamPort, originalPort: side === "server" ? upstreamPort : 8080 },
    protocol: application === "h2" ? "http2" : "http",
    hopVersion: hop === "h2" ? "2" : "1.1",
    ...(side === "client"
      ? { identity: CLIENT_ID, peerIdentity: SERVER_ID, certificateFile: files.client }
      : { identity: ofServer, peerIdentity: CLIENT_ID, certificateFile: files.server }),
    rootFile: files.root,
  };
  children.push(
    await startChild({ command: [process.execPath, ENTENTE_SIDE, JSON.stringify(job)], readiness: "line" }),
  );
  return port;
}

/** Starts application and both sides. @returns where the client speaks plaintext */
async function startPair(pair: Pair, files: CertificateFiles = certificates): Promise<number> {
  const application = await startApplication(pair.application);
  const mesh = await startSide({ product: pair.server, side: "server", upstreamPort: application, pair, files });
  return await startSide({ product: pair.client, side: "client", upstreamPort: mesh, pair, files });
}

/** The application received requests, and each with the client's proved identity alone. */
function expectProved(): void {
  const identities = new Set(received.map(({ headers }) => headers["x-forwarded-client-cert"]));
  expect([...identities]).toEqual([expect.stringMatching(PROVED)]);
}

async function ask(port: number, path: string, body?: string) {
  const method = body === undefined ? "GET" : "POST";
  const response = await request(`http://127.0.0.1:${port}${path}`, { method, headers: FORGED, body: body ?? null });
  return { status: response.statusCode, text: await response.body.text() };
}

describe.skipIf(!HAS_ENVOY)(`Envoy, as Istio configures it${HAS_ENVOY ? "" : " (is not installed)"}`, () => {
  it.each(GRPC)("gRPC: $client's client side and $server's server side, all kinds of calls", async (pair) => {
    const port = await startPair(pair);
    const job: EchoJob = { origin: `http://127.0.0.1:${port}`, metadata: FORGED };
    const { stdout } = await run(process.execPath, [GRPC_CLIENT, JSON.stringify(job)]);
    expect(JSON.parse(stdout)).toEqual(EXPECTED);
    expectProved();
    expect(received.length).toBeGreaterThan(20);
  });

  it.each(HTTP1)("HTTP/1.1 over a hop of $hop: $client's client side and $server's server side", async (pair) => {
    const port = await startPair(pair);
    const content = "content".repeat(100_000);
    expect(await ask(port, "/chunked/1")).toMatchObject({ status: 200, text: expect.stringContaining("/chunked/1") });
    expect((await ask(port, "/large/2")).text).toHaveLength(LARGE_BYTES);
    const posted = await ask(port, "/whole/3", content);
    expect(JSON.parse(posted.text)).toMatchObject({ method: "POST", bytes: content.length });
    expectProved();
    expect(received.map(({ version }) => version)).toEqual(["1.1", "1.1", "1.1"]);
  });

  it.each([...GRPC, ...HTTP1].filter(({ client }) => client === "Entente"))(
    "Entente's client side speaks $hop on the hop for an application of $application",
    async (pair) => {
      const recorder = await startHopRecorder(certificates);
      const port = await startSide({ product: "Entente", side: "client", upstreamPort: recorder.port, pair });
      expect(await checkClientSide(port, recorder, pair)).toEqual([]);
      recorder.stop();
    },
  );

  it.each(HTTP1)(
    "$client's client side does not speak $hop to a server of $server with another identity",
    async (pair) => {
      const port = await startPair(pair, { ...certificates, server: certificates.client });
      expect(await ask(port, "/whole/1")).toMatchObject({ status: 503 });
      expect(received).toEqual([]);
    },
  );
});
