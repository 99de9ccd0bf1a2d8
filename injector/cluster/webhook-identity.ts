import { pause } from "../../kubernetes/bounded-call.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import type { ServingCertificate, ServingPair } from "../serving/serving-certificate.ts";
import { openSharedAuthority } from "./authority-secret.ts";
import { keepCaBundle } from "./ca-bundle.ts";
import type { IdentityNames } from "./identity-names.ts";
import {
  createWebhookAuthority,
  type SignedServingPair,
  signServingPair,
  type WebhookAuthority,
} from "./webhook-authority.ts";

export interface WebhookIdentityDeps {
  readonly api: Pick<KubernetesApi, "get" | "replace" | "apply">;
  readonly names: IdentityNames;
  readonly clock: Clock;
  readonly random: Random;
  readonly randomBytes: (size: number) => Uint8Array;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A serving certificate, and whether API servers can verify it. */
export interface WebhookIdentity extends ServingCertificate {
  /** Whether the roots of this certificate were given to the webhook configurations once. */
  isTrusted(): boolean;
}

/** How often Secret and webhook configurations are read. */
const PERIOD_MS = 10_000;
/** Until the first success, because the cluster's new pods wait for it. */
const FIRST_PERIOD_MS = 1_000;
/** How long API servers may take to see a new caBundle, before a certificate is used that needs it. */
const SETTLE_MS = 20_000;

/**
 * The webhook's certificate, signed by an authority that all replicas share through a Secret. The webhook
 * configurations are given the authority's certificate before anything that it signed is used. Until the API responds
 * for the first time there is a certificate that no API server trusts: the kubelet can see that the process lives.
 */
export function startWebhookIdentity(deps: WebhookIdentityDeps): WebhookIdentity {
  const state = createIdentityState(deps);
  const running = new AbortController();
  void repeat({ ...deps, signal: AbortSignal.any([deps.signal, running.signal]) }, state, createRound(deps, state));
  return {
    current: state.current,
    subscribe: state.subscribe,
    isTrusted: state.isTrusted,
    stop: () => running.abort(),
  };
}

async function repeat(deps: WebhookIdentityDeps, state: IdentityState, round: () => Promise<void>): Promise<void> {
  const { clock, random, signal } = deps;
  while (!signal.aborted) {
    await round();
    // The jitter keeps replicas from writing at the same moment.
    const periodMs = (state.isTrusted() ? PERIOD_MS : FIRST_PERIOD_MS) * (0.8 + random() * 0.4);
    await pause(clock, periodMs, signal).catch(() => undefined);
  }
}

/** One look at the cluster. A failure is logged once and changes nothing: the certificate in use is still renewed. */
function createRound(deps: WebhookIdentityDeps, state: IdentityState): () => Promise<void> {
  const { api, names, log, signal } = deps;
  const { namespace, configurations } = names;
  let reported = "";
  const report = (message: string): void => {
    if (message !== "" && message !== reported) log.warn({ code: "webhook_identity" }, message);
    reported = message;
  };
  return async () => {
    try {
      const shared = await openSharedAuthority({ ...deps, namespace, name: names.secret }, state.authority());
      if (state.authority() === undefined) state.sign(shared.authority);
      const service = { namespace, name: names.service };
      const bundle = await keepCaBundle({ api, log, signal, configurations, service }, shared.bundle);
      state.trusted(shared.authority);
      report(bundle === "current" ? "" : `no webhook configuration calls ${names.service}.${namespace} yet`);
    } catch (caught) {
      if (!signal.aborted) report(`the webhook's trust is not up to date: ${MeshError.from(caught).message}`);
    }
    state.renew();
  };
}

interface IdentityState {
  current(): SignedServingPair;
  /** The shared one; undefined until it was read. */
  authority(): WebhookAuthority | undefined;
  isTrusted(): boolean;
  subscribe(listener: (pair: ServingPair) => void): () => void;
  /** Signs and uses a new certificate. */
  sign(authority: WebhookAuthority): void;
  /** The webhook configurations contain this authority's certificate. */
  trusted(authority: WebhookAuthority): void;
  /** Signs a new certificate if it is time for one, by age or because another authority has taken over. */
  renew(): void;
}

function createIdentityState({ names, clock, randomBytes, log }: WebhookIdentityDeps): IdentityState {
  const listeners = new Set<(pair: ServingPair) => void>();
  const dnsNames = serviceNames(names);
  const signWith = (issuer: WebhookAuthority): SignedServingPair =>
    signServingPair(issuer, dnsNames, { nowMs: clock.now(), randomBytes });
  let pair = signWith(createWebhookAuthority({ nowMs: clock.now(), randomBytes }));
  let authority: WebhookAuthority | undefined;
  let isTrusted = false;
  let next: HeldIdentity["next"];
  const sign = (issuer: WebhookAuthority): void => {
    authority = issuer;
    next = undefined;
    pair = signWith(issuer);
    for (const listener of [...listeners]) listener(pair);
    log.info({ notAfter: new Date(pair.notAfterMs).toISOString() }, "the webhook has a new certificate");
  };
  return {
    current: () => pair,
    authority: () => authority,
    isTrusted: () => isTrusted,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    sign,
    trusted: (issuer) => {
      isTrusted = true;
      const isOther = issuer.certificate !== authority?.certificate;
      if (!isOther) next = undefined;
      else if (next?.authority.certificate !== issuer.certificate) {
        next = { authority: issuer, fromMs: clock.monotonicMs() + SETTLE_MS };
      }
    },
    renew: () => {
      const issuer = authority && decideRenewal({ pair, authority, next }, clock);
      if (issuer !== undefined) sign(issuer);
    },
  };
}

interface HeldIdentity {
  readonly pair: SignedServingPair;
  readonly authority: WebhookAuthority;
  /** The authority that takes over at a time of the monotonic clock, when API servers have its certificate. */
  readonly next: { readonly authority: WebhookAuthority; readonly fromMs: number } | undefined;
}

/** Who has to sign a new certificate now; undefined while the one in use is the right one. */
function decideRenewal({ pair, authority, next }: HeldIdentity, clock: Clock): WebhookAuthority | undefined {
  const nowMs = clock.now();
  const isUnusable = nowMs < pair.notBeforeMs || nowMs >= pair.notAfterMs;
  if (next !== undefined && (isUnusable || clock.monotonicMs() >= next.fromMs)) return next.authority;
  return isUnusable || nowMs >= pair.renewAtMs ? authority : undefined;
}

/** The API server verifies the first one. */
function serviceNames({ service, namespace }: IdentityNames): readonly string[] {
  const name = `${service}.${namespace}`;
  return [`${name}.svc`, name, `${name}.svc.cluster.local`];
}
