/** For tests: the effect of DestinationRules on a client in ns1 that calls the service world.ns2. */
import { createTestSet, TEST_SETTINGS, testResource } from "../../resources/resource-set-fixture.ts";
import type { ServerMode } from "../types.ts";
import { decideClientTls } from "./client-tls.ts";
import { findDestinationRule } from "./destination-rules.ts";

export const HOST = "world.ns2.svc.cluster.local";
export const MUTUAL = { tls: { mode: "ISTIO_MUTUAL" } };
export const PLAIN = { tls: { mode: "DISABLE" } };

export interface DecisionInput {
  readonly rules: readonly string[];
  readonly client?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly port?: number;
  readonly subset?: string;
  readonly serverMode?: ServerMode;
  readonly autoMtls?: boolean;
}

/** The decision for a client in ns1 that calls world.ns2. */
export function decide({ rules, client = "ns1", labels = {}, port = 8080, subset = "", ...rest }: DecisionInput) {
  const set = createTestSet(...rules);
  const found = findDestinationRule({
    set,
    settings: TEST_SETTINGS,
    client: { namespace: client, labels },
    host: HOST,
    namespace: "ns2",
  });
  const serverMode = { mode: rest.serverMode ?? "PERMISSIVE", rule: "PeerAuthentication/default.ns2" } as const;
  return decideClientTls({ rule: found, port, subset, serverMode, autoMtls: rest.autoMtls ?? true });
}

export function rule(name: string, namespace: string, spec: object, creationTimestamp?: string): string {
  return testResource("DestinationRule", name, { host: HOST, ...spec }, { namespace, creationTimestamp });
}
