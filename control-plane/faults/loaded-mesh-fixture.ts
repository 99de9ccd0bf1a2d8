/** For tests: sidecars of control planes that are processes, and requests between the sidecars. */
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { startTraffic, type Traffic, type TrafficOptions } from "../../proxy/counted-requests-fixture.ts";
import { type PathServers, startClientSidecar, startServingSidecar } from "../../proxy/sidecar-path-fixture.ts";
import { startWorkloadTls, type WorkloadTls } from "../../proxy/tls/workload-tls.ts";
import { startTestService } from "../rotation/test-service-fixture.ts";
import {
  type ControlPlaneProcess,
  type ProcessOptions,
  startControlPlaneProcess,
} from "./control-plane-process-fixture.ts";

type LoadOptions = TrafficOptions & Pick<PathServers, "closeIdleMs">;

export class LoadedMesh {
  readonly controlPlanes: ControlPlaneProcess[] = [];
  readonly sidecars: WorkloadTls[] = [];
  readonly #cleanup: Cleanup;
  readonly #options: ProcessOptions;
  #begun = 0;
  #serials = new Map<WorkloadTls, string | undefined>();

  constructor(cleanup: Cleanup, options: ProcessOptions) {
    this.#cleanup = cleanup;
    this.#options = options;
  }

  async addControlPlane(): Promise<void> {
    this.controlPlanes.push(await startControlPlaneProcess(this.#cleanup, this.#options));
  }

  /** Certificates of workloads that the running control planes have issued. */
  issued(): number {
    return this.controlPlanes.reduce((sum, one) => sum + one.log().split('"issued"').length - 1, 0);
  }

  /** The one that runs longest. */
  async killControlPlane(): Promise<void> {
    await this.controlPlanes.shift()?.kill();
  }

  /**
   * Sidecars, one half of which has an application, and requests from one of the others to each. Each sidecar has an address
   * of its own, as pods have.
   */
  async startSidecars(pairs: number, { closeIdleMs, ...options }: LoadOptions = {}): Promise<Traffic> {
    const { files } = this.#options;
    await files.mountRoots(this.#cleanup);
    const startPair = async (index: number): Promise<number> => {
      const [client, server] = [await this.#addSidecar(`hello-${index}`), await this.#addSidecar(`world-${index}`)];
      const serving = await startServingSidecar(this.#cleanup, { source: server.source });
      const identities = [files.identityOf(`world-${index}`)];
      const servers = { ports: [serving.port], identities, ...(closeIdleMs !== undefined && { closeIdleMs }) };
      return await startClientSidecar(this.#cleanup, { source: client.source }, servers);
    };
    const ports = await Promise.all(Array.from({ length: pairs }, (_, index) => startPair(index)));
    this.#serials = this.#read();
    return startTraffic(this.#cleanup, ports, options);
  }

  /** Until each sidecar has another certificate than at the last call. */
  async renewed(): Promise<void> {
    await until(() =>
      [...this.#read()].every(([sidecar, serial]) => serial !== undefined && serial !== this.#serials.get(sidecar)),
    );
    this.#serials = this.#read();
  }

  /** Which roots the sidecars trust, as fingerprints: one text for each different answer. */
  trusted(): ReadonlySet<string> {
    const roots = this.sidecars.map(({ source }) => source.trust().roots.map(({ fingerprint256 }) => fingerprint256));
    return new Set(roots.map((some) => some.toSorted().join(" ")));
  }

  /** In turns one would get every request for a certificate, and the other one every stream. */
  #anyControlPlane(): readonly number[] {
    const one = this.controlPlanes[Math.floor(Math.random() * this.controlPlanes.length)];
    return one === undefined ? [] : [one.port];
  }

  #read(): Map<WorkloadTls, string | undefined> {
    return new Map(this.sidecars.map((one) => [one, one.source.current()?.certificates[0]?.serialNumber]));
  }

  async #addSidecar(account: string): Promise<WorkloadTls> {
    const { files } = this.#options;
    const index = this.#begun;
    this.#begun += 1;
    await files.writeToken(account);
    const localAddress = `127.1.${Math.floor(index / 250)}.${1 + (index % 250)}`;
    const port = await startTestService(this.#cleanup, () => this.#anyControlPlane(), localAddress);
    const sidecar = await startWorkloadTls({
      ...{ address: `localhost:${port}`, rootCertificateFile: files.rootFile, tokenFile: files.tokenFile(account) },
      ...{ identity: files.identityOf(account), workload: { namespace: "ns1", name: account }, version: "test" },
      ...{ clock: systemClock, random: Math.random, log: new RecordingLogger() },
    });
    this.#cleanup.add(() => sidecar.close());
    this.sidecars.push(sidecar);
    await until(() => sidecar.source.current() !== undefined);
    await sidecar.firstBundle;
    return sidecar;
  }
}
