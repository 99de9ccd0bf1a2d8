/** For tests: the places where a desired state is kept, with control planes that follow it under a fake clock. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KINDS } from "../../kubernetes/kinds.ts";
import { InProcessApi, type InProcessCall } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { parseTrustDomain, type TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { createConfigMapControlStore } from "./config-map-control-store.ts";
import type { ControlFollower, ControlStore } from "./control-store.ts";
import { serialNumbersOf } from "./control-store-contract-fixture.ts";
import { createFileControlStore } from "./file-control-store.ts";
import { followConfigMapControl } from "./follow-config-map-control.ts";
import { followFileControl } from "./follow-file-control.ts";

/** Where a state is kept, and how it is damaged. */
export interface ControlHome {
  readonly store: ControlStore;
  follow(): Promise<ControlFollower>;
  /** The list of revocations, and what else there is. */
  write(revocations: string, others?: Readonly<Record<string, unknown>>): void;
  /** What is stored, byte by byte. */
  content(): string;
  /** Keeps what is stored. The function that it returns restores that. */
  backUp(): () => void;
  remove(): void;
}

export class ControlHomes {
  readonly clock = new FakeClock();
  readonly log = new RecordingLogger();
  /** The mesh's own and its aliases. */
  trustDomains: readonly TrustDomain[] = [parseTrustDomain("cluster.local")];
  /** Why a control plane that starts waits. */
  readonly waiting: string[] = [];
  readonly stop = new AbortController();
  readonly directory = mkdtempSync(join(tmpdir(), "entente-control-"));
  beforeCall: (call: InProcessCall) => void = () => undefined;
  #generation = 90;

  end(): void {
    this.stop.abort();
    rmSync(this.directory, { recursive: true, force: true });
  }

  inDirectory(): ControlHome {
    const { directory, clock, log } = this;
    const shared = {
      directory,
      clock,
      random: () => 0.5,
      log,
      onWaiting: (reason: string) => void this.waiting.push(reason),
    };
    // A control plane may be writing another one.
    const stored = () => readdirSync(directory).filter((name) => !name.endsWith(".draft"));
    return {
      store: createFileControlStore(directory, shared),
      follow: () => followFileControl({ ...shared, trustDomains: this.trustDomains, signal: this.stop.signal }),
      write: (revocations, others = {}) => {
        this.#generation += 1;
        const fields = Object.entries(others).map(
          ([name, value]) => `,${JSON.stringify(name)}:${JSON.stringify(value)}`,
        );
        const path = join(directory, `entente-ca.${this.#generation}.json`);
        writeFileSync(path, `{"revocations":${revocations}${fields.join("")}}`, { mode: 0o600 });
      },
      content: () => JSON.stringify(stored().map((name) => [name, readFileSync(join(directory, name), "utf8")])),
      backUp: () => {
        const files = stored().map((name) => [name, readFileSync(join(directory, name))] as const);
        const names = files.map(([name]) => name);
        // At no moment is there no state: a follower that looks at it in between would find a deletion.
        return () => {
          for (const [name, text] of files) {
            writeFileSync(join(directory, `${name}.draft`), text, { mode: 0o600 });
            renameSync(join(directory, `${name}.draft`), join(directory, name));
          }
          for (const name of stored()) if (!names.includes(name)) rmSync(join(directory, name));
        };
      },
      remove: () => {
        for (const name of readdirSync(directory)) rmSync(join(directory, name));
      },
    };
  }

  inConfigMap(): ControlHome {
    const { clock, log } = this;
    const cluster = new TestCluster({ now: () => clock.now() });
    const namespace = "istio-system";
    const name = { namespace, name: "entente-ca" };
    cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const api = new InProcessApi(cluster, { beforeCall: (call) => this.beforeCall(call) });
    const shared = { api, namespace, clock, random: () => 0.5, randomBytes, signal: this.stop.signal };
    const put = (data: unknown): void => {
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: name, data };
      if (cluster.find(KINDS.configMaps, name) === undefined) cluster.create(KINDS.configMaps, object);
      else cluster.replace(KINDS.configMaps, object);
    };
    return {
      store: createConfigMapControlStore({ ...shared, api: new InProcessApi(cluster) }),
      follow: () => {
        const { trustDomains, waiting } = this;
        return followConfigMapControl({
          ...shared,
          log,
          trustDomains,
          onWaiting: (reason) => void waiting.push(reason),
        });
      },
      write: (revocations, others = {}) => {
        const texts = Object.entries(others).map(([key, value]) => [key, JSON.stringify(value)]);
        put({ "revocations.json": revocations, ...Object.fromEntries(texts) });
      },
      content: () => JSON.stringify(cluster.find(KINDS.configMaps, name)),
      backUp: () => {
        const { data } = cluster.get(KINDS.configMaps, name);
        return () => put(data);
      },
      remove: () => cluster.delete(KINDS.configMaps, name),
    };
  }

  /** Files are read by the system while time passes: followers wait for the clock again when they have read them. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 250) {
      await this.clock.advance(Math.min(left, 250));
      do await new Promise((resolve) => setTimeout(resolve, 1));
      while (this.clock.pendingTimers === 0);
    }
  }

  /** Time passes until something is so: what is stored in files takes real time, in which others wait for the clock. */
  async passUntil(isSo: () => boolean | Promise<boolean>): Promise<void> {
    await until(async () => {
      if (await isSo()) return true;
      await this.pass(250);
      return false;
    });
  }

  /** Until these serial numbers are stored, and a second more. */
  async passUntilStored(home: ControlHome, ...serialNumbers: readonly string[]): Promise<void> {
    await this.passUntil(async () => {
      const stored = serialNumbersOf(await home.store.read());
      return serialNumbers.every((one) => stored.includes(one));
    });
    await this.pass(1000);
  }

  async started(home: ControlHome): Promise<ControlFollower> {
    const starting = home.follow();
    await this.pass(250);
    return await starting;
  }
}

/** Both, for tests of each. */
export const CONTROL_HOMES = [
  { name: "a directory", open: (homes: ControlHomes) => homes.inDirectory() },
  { name: "a ConfigMap", open: (homes: ControlHomes) => homes.inConfigMap() },
] as const;
