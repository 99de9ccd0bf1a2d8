/** For tests: workloads that call a control plane with the shipped client. */
import { ConnectError, createClient } from "@connectrpc/connect";
import { TestProxy } from "../discovery/streams/test-proxy-fixture.ts";
import { IstioCertificateService } from "../mesh/api/gen/ca_pb.ts";
import { DiscoveryService } from "../mesh/api/gen/discovery_pb.ts";
import { parseSpiffeId } from "../mesh/identity/spiffe-id.ts";
import { systemClock } from "../mesh/runtime.ts";
import { createTlsContext } from "../net/tls/tls-contexts.ts";
import { until } from "../net/until-fixture.ts";
import { connectControlPlane, parseControlPlaneAddress } from "../proxy/tls/control-plane/control-plane-connection.ts";
import { createSvidKey, formatCertificateRequest } from "../proxy/tls/csr.ts";
import type { RevocationMesh } from "./revocation-fixture.ts";

/** Of a call that succeeds. */
export const SERVED = "served";
/** What a caller receives that may have no certificate. */
export const REFUSED = "request authenticate failure";

/** `SERVED`, or what the caller receives. */
export async function outcome(call: Promise<unknown>): Promise<string> {
  return await call.then(
    () => SERVED,
    (caught: unknown) => ConnectError.from(caught).rawMessage,
  );
}

/** A certificate with its root at the end, and its key. All PEM. */
export interface Pair {
  readonly chain: readonly string[];
  readonly keyPem: string;
}

/** The mesh, as far as its workloads need it. */
type CallersMesh = Pick<RevocationMesh, "addPod" | "tokenOf" | "roots" | "ended">;

/** A new pod whose token the control plane accepts. @param account another one's, that exists */
export async function addWorkload(
  mesh: CallersMesh,
  name: string,
  address: string,
  account?: string,
): Promise<Workload> {
  mesh.addPod(name, account);
  const workload = new Workload(mesh, name, account);
  await untilServed(() => workload.request(address));
  return workload;
}

/** A new pod with a certificate that it may renew. */
export async function addMember(mesh: CallersMesh, name: string, address: string): Promise<Member> {
  const workload = await addWorkload(mesh, name, address);
  const pair = await workload.request(address);
  await untilServed(() => workload.renew(address, pair));
  return { workload, pair };
}

export interface Member {
  readonly workload: Workload;
  readonly pair: Pair;
}

/** Calls until the call succeeds. */
export async function untilServed(call: () => Promise<unknown>): Promise<void> {
  await until(async () => (await outcome(call())) === SERVED);
}

export class Workload {
  readonly #mesh: CallersMesh;
  readonly #name: string;
  readonly #account: string;
  #streams = new AbortController();

  constructor(mesh: CallersMesh, name: string, account = name) {
    this.#mesh = mesh;
    this.#name = name;
    this.#account = account;
  }

  /** Ends its streams. */
  hangUp(): void {
    this.#streams.abort();
    this.#streams = new AbortController();
  }

  /** By token, with a certificate in the handshake or without. */
  async request(address: string, pair?: Pair): Promise<Pair> {
    return await this.#create(address, { token: await this.#mesh.tokenOf(this.#name), pair });
  }

  /** By its certificate alone. */
  async renew(address: string, pair: Pair): Promise<Pair> {
    return await this.#create(address, { pair });
  }

  /** Opens a stream, and receives the trust bundle. */
  async stream(address: string, pair: Pair) {
    const signal = AbortSignal.any([this.#mesh.ended, this.#streams.signal]);
    const connection = await this.#connect(address, pair);
    signal.addEventListener("abort", () => connection.close(), { once: true });
    const proxy = new TestProxy(createClient(DiscoveryService, connection.transport), signal);
    proxy.identify({ namespace: "ns1", name: `${this.#name}-1` }).subscribe(1, { kind: "trust bundle" });
    const bundle = await proxy.trustBundle();
    return { proxy, bundle, closed: connection.closed };
  }

  async #create(
    address: string,
    { token, pair }: { readonly token?: string; readonly pair?: Pair | undefined },
  ): Promise<Pair> {
    const key = createSvidKey();
    const csr = formatCertificateRequest(key, parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/${this.#account}`));
    const connection = await this.#connect(address, pair);
    try {
      const client = createClient(IstioCertificateService, connection.transport);
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const { certChain: chain } = await client.createCertificate({ csr }, { headers, timeoutMs: 60_000 });
      return { chain, keyPem: key.export({ type: "pkcs8", format: "pem" }).toString() };
    } finally {
      connection.close();
    }
  }

  async #connect(address: string, pair: Pair | undefined) {
    const rootsPem = await this.#mesh.roots();
    const context =
      pair && createTlsContext({ cert: pair.chain.slice(0, -1).join(""), key: pair.keyPem, ca: rootsPem });
    return await connectControlPlane({
      ...{
        address: parseControlPlaneAddress(address),
        rootsPem,
        clock: systemClock,
        signal: AbortSignal.timeout(60_000),
      },
      ...(context && { context }),
    });
  }
}
