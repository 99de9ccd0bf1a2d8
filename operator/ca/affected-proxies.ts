import type { RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { readPodTag, tagOfPodName, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import { type ConnectedProxy, connectedProxies } from "../proxies/connected-proxies.ts";
import { readTrustDomains } from "./authority-report.ts";
import type { AuthorityReplica } from "./read-authority.ts";

/**
 * The connected proxies by what can be revoked of them. Looked up, and not compared one by one: a mesh may have ten thousand
 * proxies, and as many entries.
 */
export class AffectedProxies {
  /** An identity is revoked in all of them. */
  readonly trustDomains: readonly string[];
  readonly #byKey: ReadonlyMap<string, readonly ConnectedProxy[]>;

  constructor(replicas: readonly AuthorityReplica[]) {
    this.trustDomains = readTrustDomains(replicas);
    const keyed = connectedProxies(replicas).flatMap((one) => this.#keysOf(one).map((key) => ({ key, one })));
    const grouped = Map.groupBy(keyed, ({ key }) => key);
    this.#byKey = new Map([...grouped].map(([key, entries]) => [key, entries.map(({ one }) => one)]));
  }

  /** Those whose certificate an entry revokes. */
  find(target: RevocationTarget): readonly ConnectedProxy[] {
    return this.#keysOfTarget(target).flatMap((key) => this.#byKey.get(key) ?? []);
  }

  /** By the certificate, because a proxy may name any pod of its account. One of an earlier version has only the name. */
  #keysOf({ proxy: { identity, namespace, pod, certificate } }: ConnectedProxy): readonly string[] {
    const serialNumber = normalizeSerialNumber(certificate?.serialNumber ?? "");
    const tag = readPodTag(serialNumber);
    return [
      this.#keyOfIdentity(identity),
      ...(certificate === undefined ? [] : [`serial ${serialNumber}`]),
      tag === undefined ? `name ${namespace}/${pod}` : `tag ${tag}`,
    ];
  }

  #keysOfTarget(target: RevocationTarget): readonly string[] {
    switch (target.kind) {
      case "serial":
        return [`serial ${normalizeSerialNumber(target.serialNumber)}`];
      case "identity":
        return [this.#keyOfIdentity(target.identity)];
      case "pod": {
        const tags = [...(target.uid === undefined ? [] : [tagOfPodUid(target.uid)]), tagOfPodName(target)];
        return [...tags.map((tag) => `tag ${tag}`), `name ${target.namespace}/${target.name}`];
      }
    }
  }

  #keyOfIdentity(identity: string): string {
    const [, trustDomain = "", path = ""] = SPIFFE_ID.exec(identity) ?? [];
    return `identity ${this.trustDomains.includes(trustDomain) ? path : identity}`;
  }
}

const SPIFFE_ID = /^spiffe:\/\/([^/]*)(\/.*)$/;
