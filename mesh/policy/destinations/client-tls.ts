import { isSpiffeId } from "../../identity/is-spiffe-id.ts";
import type { SpiffeId } from "../../identity/spiffe-id.ts";
import type { ClientTls } from "../../resources/kinds/destination-rule.ts";
import type { ServerModeDecision } from "../types.ts";
import { findPolicyBlock, type PolicyLookup } from "./policy-block.ts";

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

export interface ClientTlsInput extends PolicyLookup {
  /** The server's mode for the service; DISABLE turns auto mTLS off. */
  readonly serverMode: ServerModeDecision;
  readonly autoMtls: boolean;
  /** An invalid rule that may be for this host, too: then nothing less than auto mTLS is used. @default none */
  readonly unreadableRule?: string | undefined;
}

/** Chooses TLS for a service's port and subset. */
export function decideClientTls(input: ClientTlsInput): ClientTlsDecision {
  const requested = findPolicyBlock("tls", input);
  if (requested !== undefined && (input.unreadableRule === undefined || requested.block.mode !== "DISABLE")) {
    return decideRequested(requested.block, requested.rule);
  }
  const invalid = input.unreadableRule ?? input.rule?.standIn;
  if (!input.autoMtls && invalid === undefined) return { kind: "plaintext", rule: "auto mTLS is off" };
  if (input.serverMode.mode === "DISABLE") {
    return { kind: "plaintext", rule: `auto mTLS, off by ${input.serverMode.rule}` };
  }
  return { kind: "auto", rule: invalid === undefined ? "auto mTLS" : `auto mTLS, since ${invalid} is invalid` };
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
