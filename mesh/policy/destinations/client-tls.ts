import { isSpiffeId } from "../../identity/is-spiffe-id.ts";
import type { SpiffeId } from "../../identity/spiffe-id.ts";
import type { ClientTls, TrafficPolicy } from "../../resources/kinds/destination-rule.ts";
import type { ServerModeDecision } from "../types.ts";
import type { MergedRule } from "./destination-rules.ts";

/** How a client connects to a service, before the endpoints are looked at. */
export type ClientTlsDecision =
  /** A rule asks for plaintext, to every endpoint. */
  | { readonly kind: "plaintext"; readonly rule: string }
  /** A rule asks for mutual TLS with mesh identities, from every endpoint, sidecar or not. */
  | {
      readonly kind: "mutual";
      readonly rule: string;
      readonly sni: string | undefined;
      /** Instead of the service's own accounts; empty: the service's own. */
      readonly identities: readonly SpiffeId[];
    }
  /** No rule speaks: mutual TLS to the endpoints that can do it. */
  | { readonly kind: "auto"; readonly rule: string }
  /** What the rule asks for cannot be done, so nothing may be sent. */
  | { readonly kind: "refused"; readonly rule: string; readonly reason: string };

export interface ClientTlsInput {
  readonly rule: MergedRule | undefined;
  /** The service's port. */
  readonly port: number;
  /** Empty: no subset. */
  readonly subset: string;
  /** What the server's side says of the service; DISABLE turns auto mTLS off. */
  readonly serverMode: ServerModeDecision;
  readonly autoMtls: boolean;
}

/**
 * Chooses TLS for a service's port and subset. Port-level settings replace the whole policy, so a port without `tls`
 * has none even where the policy above has one; then the subset's policy overrides.
 */
export function decideClientTls(input: ClientTlsInput): ClientTlsDecision {
  const asked = findTls(input);
  if (asked !== undefined) return decideAsked(asked.tls, asked.rule);
  if (!input.autoMtls) return { kind: "plaintext", rule: "auto mTLS is off" };
  if (input.serverMode.mode === "DISABLE") {
    return { kind: "plaintext", rule: `auto mTLS, off by ${input.serverMode.rule}` };
  }
  return { kind: "auto", rule: "auto mTLS" };
}

interface AskedTls {
  readonly tls: ClientTls;
  readonly rule: string;
}

function findTls({ rule, port, subset }: ClientTlsInput): AskedTls | undefined {
  const general = rule?.trafficPolicy;
  const inherited = general === undefined ? undefined : withRule(tlsForPort(general.policy, port), general.rule);
  const own = rule?.subsets.find((candidate) => candidate.subset.name === subset);
  const policy = own?.subset.trafficPolicy;
  if (own === undefined || policy === undefined) return inherited;
  // A port of the subset replaces everything for that port; the subset's own block only adds to what it inherits.
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

function withRule(tls: ClientTls | undefined, rule: string): AskedTls | undefined {
  return tls && { tls, rule };
}

function decideAsked(tls: ClientTls, rule: string): ClientTlsDecision {
  switch (tls.mode) {
    case "DISABLE":
      return { kind: "plaintext", rule };
    case "SIMPLE":
    case "MUTUAL": {
      const reason = `${rule} asks for TLS mode ${tls.mode}, which is not supported yet: use ISTIO_MUTUAL or DISABLE`;
      return { kind: "refused", rule, reason };
    }
    case "ISTIO_MUTUAL":
      return decideMutual(tls, rule);
  }
}

function decideMutual(tls: ClientTls, rule: string): ClientTlsDecision {
  const identities = tls.subjectAltNames.filter(isSpiffeId);
  if (identities.length < tls.subjectAltNames.length) {
    // Dropping the name would leave the list shorter, or empty, which means another check than the one asked for.
    return { kind: "refused", rule, reason: `${rule} has a subjectAltName that is not a SPIFFE id` };
  }
  return { kind: "mutual", rule, sni: tls.sni === "" ? undefined : tls.sni, identities };
}
