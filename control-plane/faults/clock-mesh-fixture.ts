/** For tests: a control plane, and two sidecars between which requests run. Each has its own clock, and a day is a few seconds. */
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { TravellingTime } from "../../mesh/travelling-time-fixture.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { setOpensslTime } from "../../net/tls/openssl-time-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { startTraffic, type Traffic } from "../../proxy/counted-requests-fixture.ts";
import { startClientSidecar, startServingSidecar } from "../../proxy/sidecar-path-fixture.ts";
import { startWorkloadTls, type WorkloadTls } from "../../proxy/tls/workload-tls.ts";
import { type AssembledControlPlane, startAssembled } from "../whole-control-plane-fixture.ts";
import { StandaloneFiles } from "./standalone-files-fixture.ts";

export const HOUR_MS = 3_600_000;
/** The default of certificates. */
const LIFETIME_MS = 24 * HOUR_MS;
const ACCOUNTS = ["hello", "world"] as const;
/** The kubelet renews a token long before it ends. */
const TOKEN_MS = 2 * HOUR_MS;
/** While an hour passes, requests go on for so long. */
const STEP_MS = 40;

interface Parts {
  readonly time: TravellingTime;
  readonly files: StandaloneFiles;
  readonly errors: Readonly<Record<"controlPlane" | "client" | "server", { aheadMs: number }>>;
}

export class ClockMesh {
  /** By how much each clock is wrong; `setClock` changes it. */
  readonly errors: Parts["errors"];
  readonly time: TravellingTime;
  readonly controlPlane: AssembledControlPlane;
  readonly sidecars: readonly WorkloadTls[];
  readonly traffic: Traffic;
  readonly #files: StandaloneFiles;

  private constructor(
    { time, files, errors }: Parts,
    started: Pick<ClockMesh, "controlPlane" | "sidecars" | "traffic">,
  ) {
    this.time = time;
    this.errors = errors;
    this.#files = files;
    this.controlPlane = started.controlPlane;
    this.sidecars = started.sidecars;
    this.traffic = started.traffic;
  }

  static async start(cleanup: Cleanup): Promise<ClockMesh> {
    const time = new TravellingTime();
    const files = await StandaloneFiles.create(cleanup, { now: () => time.now() });
    const errors = { controlPlane: { aheadMs: 0 }, client: { aheadMs: 0 }, server: { aheadMs: 0 } };
    cleanup.add(() => setOpensslTime(undefined));
    const controlPlane = await startAssembled(
      {
        source: { kind: "folders", folders: [files.configuration] },
        ...{ identity: files.identity, maxLifetimeMs: LIFETIME_MS, clock: time.clock(errors.controlPlane) },
      },
      cleanup,
    );
    await controlPlane.ready;
    await files.mountRoots(cleanup);
    const clocks = [time.clock(errors.client), time.clock(errors.server)] as const;
    const place = { files, cleanup, address: controlPlane.address };
    const client = await startSidecar("hello", { ...place, clock: clocks[0] });
    const server = await startSidecar("world", { ...place, clock: clocks[1] });
    const serving = await startServingSidecar(cleanup, { source: server.source, clock: clocks[1] });
    const port = await startClientSidecar(
      cleanup,
      { source: client.source, clock: clocks[0] },
      { ports: [serving.port], identities: [files.identityOf("world")] },
    );
    const sidecars = [client, server];
    return new ClockMesh(
      { time, files, errors },
      { controlPlane, sidecars, traffic: startTraffic(cleanup, [port], { pauseMs: 5 }) },
    );
  }

  /** A pod that is created now, on a machine whose clock is right, gets its first certificate. */
  async startPod(cleanup: Cleanup): Promise<void> {
    const { address } = this.controlPlane;
    await startSidecar("late", { files: this.#files, cleanup, address, clock: this.time.clock() });
  }

  /** Sets the clock of a running machine. */
  setClock(machine: keyof Parts["errors"], aheadMs: number): void {
    this.errors[machine].aheadMs = aheadMs;
    this.time.lookAgain();
  }

  /**
   * Lets hours pass. In every second one OpenSSL judges certificates by the clock that is wrong, as on that machine.
   * @param tokens whether the kubelet renews them
   */
  async pass(hours: number, { tokens, wrongByMs = 0 }: { tokens: boolean; wrongByMs?: number }): Promise<void> {
    for (let hour = 0; hour < hours; hour += 1) {
      if (tokens) await Promise.all(ACCOUNTS.map((account) => this.#files.writeToken(account, TOKEN_MS)));
      this.time.pass(HOUR_MS);
      setOpensslTime(this.time.now() + (hour % 2) * wrongByMs);
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      // What takes real time must not end for lack of it.
      await until(() => this.sidecars.every(({ svid }) => svid.state().kind === "resting"));
    }
  }

  serialNumbers(): readonly (string | undefined)[] {
    return this.sidecars.map(({ source }) => source.current()?.certificates[0]?.serialNumber);
  }
}

interface SidecarPlace {
  readonly files: StandaloneFiles;
  readonly address: string;
  readonly clock: Clock;
  readonly cleanup: Cleanup;
}

/** With a token of this moment; resolves when it has its certificate. */
async function startSidecar(account: string, { files, address, clock, cleanup }: SidecarPlace): Promise<WorkloadTls> {
  await files.writeToken(account, TOKEN_MS);
  const sidecar = await startWorkloadTls({
    ...{ address, rootCertificateFile: files.rootFile, tokenFile: files.tokenFile(account) },
    ...{ identity: files.identityOf(account), workload: { namespace: "ns1", name: `${account}-1` } },
    ...{ version: "test", clock, random: Math.random, log: new RecordingLogger() },
  });
  cleanup.add(() => sidecar.close());
  await until(() => sidecar.source.current() !== undefined);
  return sidecar;
}
