import { isDeepStrictEqual } from "node:util";
import type { SettingsSource } from "../../discovery/discovery-service.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import { federatedDomains, type MeshSettings } from "../../mesh/mesh-settings.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { type MeshConfig, readMeshConfigFile } from "./mesh-config.ts";

/** The settings in force, and the names of those that have changed and come into force after a restart. */
export interface MeshSettingsSource extends SettingsSource {
  awaitingRestart(): readonly string[];
}

/** Settings that never change. */
export function fixedSettings(settings: MeshSettings): MeshSettingsSource {
  return { current: () => settings, subscribe: () => () => undefined, awaitingRestart: () => [] };
}

export interface LiveSettingsOptions {
  readonly file: string;
  /** For what the file does not contain. */
  readonly defaults: MeshSettings;
  /** What the process was started with. */
  readonly initial: MeshConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The kubelet itself updates a mounted ConfigMap about once a minute. */
const INTERVAL_MS = 2000;

/** What decisions alone read. The rest is part of certificates, names and rights that exist already. */
const LIVE = [
  "caCertificates",
  "outboundTrafficPolicy",
  "autoMtls",
  "h2UpgradePolicy",
  "pathNormalization",
  "numTrustedProxies",
] as const satisfies readonly (keyof MeshSettings)[];

/**
 * The settings of a mesh configuration that is read again and again. What can change while the process runs does; for the
 * rest a line asks for a restart. A file that becomes invalid changes nothing.
 */
export function followMeshConfig(options: LiveSettingsOptions): MeshSettingsSource {
  const settings = new LiveSettings(options);
  settings.start();
  return settings;
}

class LiveSettings implements MeshSettingsSource {
  readonly #options: LiveSettingsOptions;
  readonly #listeners = new Set<() => void>();
  #current: MeshSettings;
  #awaitingRestart: readonly string[] = [];
  /** Each line is logged once for as long as its reason lasts. */
  #reported: string;

  constructor(options: LiveSettingsOptions) {
    this.#options = options;
    this.#current = options.initial.settings;
    this.#reported = "";
  }

  start(): void {
    this.#note(this.#options.initial);
    this.#schedule();
  }

  current(): MeshSettings {
    return this.#current;
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  awaitingRestart(): readonly string[] {
    return this.#awaitingRestart;
  }

  #schedule(): void {
    const { clock, signal } = this.#options;
    const timer = clock.setTimeout(() => {
      signal.removeEventListener("abort", timer.cancel);
      void this.#read();
    }, INTERVAL_MS);
    signal.addEventListener("abort", timer.cancel, { once: true });
  }

  async #read(): Promise<void> {
    const { file, defaults, signal } = this.#options;
    const { caCertificates } = this.#current;
    try {
      const config = await readMeshConfigFile(file, defaults);
      if (signal.aborted) return;
      this.#note(config);
      this.#take(this.#mayFederate(config.settings) ? config.settings : { ...config.settings, caCertificates });
    } catch (caught) {
      const { message } = MeshError.from(caught);
      this.#report("error", `${message}; the last settings stay in force`);
    }
    if (!signal.aborted) this.#schedule();
  }

  /** A trust domain that is still the mesh's own has no foreign authorities until the restart. */
  #mayFederate(next: MeshSettings): boolean {
    const { trustDomain, trustDomainAliases } = this.#current;
    return !federatedDomains(next).some((domain) => domain === trustDomain || trustDomainAliases.includes(domain));
  }

  #take(next: MeshSettings): void {
    const changed = LIVE.filter((name) => !isDeepStrictEqual(next[name], this.#current[name]));
    if (changed.length === 0) return;
    const { outboundTrafficPolicy, autoMtls, h2UpgradePolicy, pathNormalization, numTrustedProxies } = next;
    const live = { outboundTrafficPolicy, autoMtls, h2UpgradePolicy, pathNormalization, numTrustedProxies };
    this.#current = { ...this.#current, ...live, caCertificates: next.caCertificates };
    const federated = federatedDomains(next);
    this.#options.log.info({ changed, ...live, federated }, "the mesh's settings have changed");
    for (const listener of [...this.#listeners]) listener();
  }

  /** What of a configuration has no effect. */
  #note({ settings, discoveryHost, unsupported }: MeshConfig): void {
    const { initial } = this.#options;
    const fixed: readonly (keyof MeshSettings)[] = ["trustDomain", "trustDomainAliases", "rootNamespace"];
    const waiting = [
      ...fixed.filter((name) => String(settings[name]) !== String(initial.settings[name])),
      ...(discoveryHost === initial.discoveryHost ? [] : ["defaultConfig.discoveryAddress"]),
      ...(this.#mayFederate(settings) ? [] : ["caCertificates"]),
    ];
    this.#awaitingRestart = waiting;
    const lines = [
      ...(unsupported.length === 0 ? [] : [`not supported, and without effect: ${unsupported.join(", ")}`]),
      ...(waiting.length === 0 ? [] : [`in force after a restart of the control plane: ${waiting.join(", ")}`]),
    ];
    this.#report("warn", lines.join("; "));
  }

  #report(level: "warn" | "error", line: string): void {
    if (line === this.#reported) return;
    this.#reported = line;
    if (line !== "") this.#options.log[level]({ file: this.#options.file }, `the mesh configuration: ${line}`);
  }
}
