import { isSpiffeId } from "../../identity/is-spiffe-id.ts";
import type { SpiffeId } from "../../identity/spiffe-id.ts";
import type { ClientTls, TrafficPolicy } from "../../resources/kinds/destination-rule.ts";
import type { ServerModeDecision } from "../types.ts";
import type { MergedRule } from "./destination-rules.ts";

/** How a client connects to a service, before endpoints are selected. */
export type ClientTlsDecision =
  /** A rule requires plaintext for every endpoint. */
  | { readonly kind: "plaintext"; readonly rule: string }
  /** A rule requires mutual TLS with mesh identities for every endpoint, with or without a sidecar. */
  | {
      readonly kind: "mutual";
      readonly rule: string;
      readonly sni: string | undefined;
      /** Replaces the service's own accounts; if empty, those are used. */
      readonly identities: readonly SpiffeId[];
    }
  /** No rule applies: mutual TLS for endpoints that support it. */
  | { readonly kind: "auto"; readonly rule: string }
  /** The rule's settings are not supported, so nothing may be sent. */
  | { readonly kind: "refused"; readonly rule: string; readonly reason: string };

export interface ClientTlsInput {
  readonly rule: MergedRule | undefined;
  /** The service's port. */
  readonly port: number;
  /** Empty means no subset. */
  readonly subset: string;
  /** The server's mode for the service; DISABLE turns auto mTLS off. */
  readonly serverMode: ServerModeDecision;
  readonly autoMtls: boolean;
  /** An invalid rule that may be for this host, too: then nothing less than auto mTLS is used. @default none */
  readonly unreadableRule?: string | undefined;
}

/**
 * Chooses TLS for a service's port and subset. Port-level settings replace the whole policy, so a port without `tls`
 * has none even if the policy above has one. The subset's policy overrides both.
 */
export function decideClientTls(input: ClientTlsInput): ClientTlsDecision {
  const requested = findTls(input);
  if (requested !== undefined && (input.unreadableRule === undefined || requested.tls.mode !== "DISABLE")) {
    return decideRequested(requested.tls, requested.rule);
  }
  const invalid = input.unreadableRule ?? input.rule?.standIn;
  if (!input.autoMtls && invalid === undefined) return { kind: "plaintext", rule: "auto mTLS is off" };
  if (input.serverMode.mode === "DISABLE") {
    return { kind: "plaintext", rule: `auto mTLS, off by ${input.serverMode.rule}` };
  }
  return { kind: "auto", rule: invalid === undefined ? "auto mTLS" : `auto mTLS, since ${invalid} is invalid` };
}

interface RequestedTls {
  readonly tls: ClientTls;
  readonly rule: string;
}

function findTls({ rule, port, subset }: ClientTlsInput): RequestedTls | undefined {
  const general = rule?.trafficPolicy;
  const inherited = general === undefined ? undefined : withRule(tlsForPort(general.policy, port), general.rule);
  const own = rule?.subsets.find((candidate) => candidate.subset.name === subset);
  const policy = own?.subset.trafficPolicy;
  if (own === undefined || policy === undefined) return inherited;
  // A port-level setting of the subset replaces everything for that port; the subset's own settings only add to
  // inherited ones.
  if (hasPort(policy, port)) return withRule(tlsForPort(policy, port), own.rule);
  return withRule(policy.tls, own.rule) ?? inherited;
}

function tlsForPort(policy: TrafficPolicy, port: number): ClientTls | undefined {
  const setting = policy.portLevelSettings.find((candidate) => candidate.port.number === port);
  return setting === undefined ? policy.tls : setting.tls;
}

function hasPort(policy: TrafficPolicy, port: number): boolean {
  return policy.portLevelSettings.some((setting) => setting.port.number === port);
}

function withRule(tls: ClientTls | undefined, rule: string): RequestedTls | undefined {
  return tls && { tls, rule };
}

function decideRequested(tls: ClientTls, rule: string): ClientTlsDecision {
  switch (tls.mode) {
    case "DISABLE":
      return { kind: "plaintext", rule };
    case "SIMPLE":
    case "MUTUAL": {
      const reason = `${rule} requires TLS mode ${tls.mode}, which is not supported yet: use ISTIO_MUTUAL or DISABLE`;
      return { kind: "refused", rule, reason };
    }
    case "ISTIO_MUTUAL":
      return decideMutual(tls, rule);
  }
}

function decideMutual(tls: ClientTls, rule: string): ClientTlsDecision {
  const identities = tls.subjectAltNames.filter(isSpiffeId);
  if (identities.length < tls.subjectAltNames.length) {
    // Without the name the list would be shorter or empty, which would mean a different check.
    return { kind: "refused", rule, reason: `${rule} has a subjectAltName that is not a SPIFFE id` };
  }
  return { kind: "mutual", rule, sni: tls.sni === "" ? undefined : tls.sni, identities };
}
