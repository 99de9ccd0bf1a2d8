import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { openAuthority } from "../../ca-agent/authority/open-authority.ts";
import { createLogger } from "../../cli/create-logger.ts";
import type { SyncStatus } from "../../control-plane/serving/status-server.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { ask } from "../../net/http-fixture.ts";
import { type Child, startChild } from "../processes/child.ts";
import { Forked } from "../processes/forked.ts";
import { type FromApiServer, machineMs, type SidecarsJob, type ToApiServer } from "./messages.ts";
import { TRUST_DOMAIN } from "./simulated-sidecar.ts";
import type { MeshSize } from "./topology.ts";

export interface RunningControlPlane {
  readonly child: Child;
  /** When its process was started. */
  readonly startedMs: number;
}

/** A simulated API server with a mesh, and the shipped control plane, which reads it. */
export class ScaleMesh {
  readonly apiServer = new Forked<ToApiServer, FromApiServer>(new URL("api-server-process.ts", import.meta.url));
  readonly size: MeshSize;
  readonly #folder = mkdtempSync(join(tmpdir(), "entente-scale-"));
  readonly #running = new Set<Child>();
  #ports = { discovery: 0, status: 0 };

  private constructor(size: MeshSize) {
    this.size = size;
  }

  /** Fills the API server; the control plane is not started yet. */
  static async create(size: MeshSize, signal: AbortSignal): Promise<ScaleMesh> {
    const mesh = new ScaleMesh(size);
    const directory = join(mesh.#folder, "ca");
    const log = createLogger("error");
    const authority = await openAuthority({ directory, trustDomain: TRUST_DOMAIN, clock: systemClock, log });
    writeFileSync(mesh.#path("root-cert.pem"), authority.roots().join(""));
    writeFileSync(mesh.#path("mesh"), "trustDomain: cluster.local\n");
    const certificatePem = readFileSync(join(directory, "self-signed", "ca-cert.pem"), "utf8");
    const keyPem = readFileSync(join(directory, "self-signed", "ca-key.pem"), "utf8");
    mesh.apiServer.send({ kind: "start", size, authority: { certificatePem, keyPem } });
    const { kubeconfig } = await mesh.apiServer.next("started", signal);
    writeFileSync(mesh.#path("kubeconfig"), kubeconfig, { mode: 0o600 });
    mesh.#ports = { discovery: await findFreePort(), status: await findFreePort() };
    return mesh;
  }

  /** What a process of sidecars needs to know. */
  sidecars(first: number, count: number): SidecarsJob {
    const { size } = this;
    const address = `localhost:${this.#ports.discovery}`;
    return {
      size,
      first,
      count,
      address,
      caDirectory: join(this.#folder, "ca"),
      rootFile: this.#path("root-cert.pem"),
    };
  }

  /** Resolves when its status port responds. */
  async startControlPlane(): Promise<RunningControlPlane> {
    const startedMs = machineMs();
    const { discovery, status } = this.#ports;
    const options = ["--kubernetes", "--kubeconfig", this.#path("kubeconfig"), "--mesh-config", this.#path("mesh")];
    const ports = ["--port", String(discovery), "--metrics-port", String(status)];
    const command = [process.execPath, ...NODE_OPTIONS, "cli/main.ts", "control-plane", ...options, ...ports] as const;
    const child = await startChild({ command, readiness: { port: status } });
    this.#running.add(child);
    return { child, startedMs };
  }

  /** It would serve its clients for 5 s after SIGTERM, as in a cluster. */
  async killControlPlane({ child }: RunningControlPlane): Promise<void> {
    this.#running.delete(child);
    await child.kill();
  }

  /** How many proxies have acknowledged all that was sent to them. */
  async countSynced(): Promise<number> {
    const { body } = await ask(this.#ports.status, { path: "/debug/syncz" });
    const { proxies }: SyncStatus = JSON.parse(body);
    return proxies.filter(({ resources }) => resources.length > 0 && resources.every(({ state }) => state === "synced"))
      .length;
  }

  /** Resolves when all sidecars are connected and have acknowledged everything. */
  async allSynced(signal: AbortSignal): Promise<void> {
    while ((await this.countSynced().catch(() => 0)) < this.size.sidecars) await delay(200, undefined, { signal });
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running].map((child) => child.kill()));
    await this.apiServer.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

/** As in the installation: the peak of a start is given back. */
const NODE_OPTIONS = ["--expose-gc"];
