import { hash } from "node:crypto";
import type { ResourceName } from "../../mesh/api/convert-subscription.ts";
import { decideResource, encodeDestination, type ResourceClient, shareKeyOf } from "./decide-resource.ts";
import type { Evaluation, Evaluations, FollowedEvaluation, MeshView } from "./evaluations.ts";
import { recordClient } from "./recorded-client.ts";

/** The value of a resource, encoded once for all proxies that receive it. */
export interface EncodedValue {
  readonly encoded: Uint8Array;
  readonly digest: Uint8Array;
}

/** A decision that a subscription follows. */
export interface FollowedDecision {
  /** The value of the mesh as it is now; `undefined` if the pod that it is for is unknown. */
  current(): EncodedValue | undefined;
  stop(): void;
}

/**
 * Decides each resource once for all proxies for which the result is the same: for all, unless a rule reads the
 * namespace or the labels of the client. A decision is kept while a stream follows it.
 */
export class SharedDecisions {
  readonly #evaluations: Evaluations;
  readonly #decisions = new Map<string, Decision>();

  constructor(evaluations: Evaluations) {
    this.#evaluations = evaluations;
  }

  get size(): number {
    return this.#decisions.size;
  }

  /** `onChange` is called after each later change of the value. Throws if the first decision fails. */
  follow(resource: ResourceName, client: ResourceClient, onChange: () => void): FollowedDecision {
    const key = shareKeyOf(resource, client);
    const known = this.#decisions.get(key);
    const decision = known ?? new Decision(this.#evaluations, (view, of) => decideResource(resource, of, view));
    this.#decisions.set(key, decision);
    const stop = (): void => {
      if (decision.leave(client, onChange) && this.#decisions.get(key) === decision) this.#decisions.delete(key);
    };
    try {
      decision.join(client, onChange);
    } catch (caught) {
      stop();
      throw caught;
    }
    return { current: () => decision.current(client), stop };
  }
}

/** The value for the clients with the same namespace and labels. */
interface Variant {
  readonly client: ResourceClient;
  readonly followers: Set<() => void>;
  value: EncodedValue | undefined;
}

class Decision implements Evaluation {
  readonly #decide: (view: MeshView, client: ResourceClient) => Uint8Array | undefined;
  readonly #evaluation: FollowedEvaluation;
  readonly #variants = new Map<string, Variant>();
  #shared: SharedValues = NOTHING_SHARED;

  constructor(evaluations: Evaluations, decide: (view: MeshView, client: ResourceClient) => Uint8Array | undefined) {
    this.#decide = decide;
    this.#evaluation = evaluations.follow(this);
  }

  join(client: ResourceClient, follower: () => void): void {
    const { key } = client;
    const known = this.#variants.get(key);
    if (known !== undefined) {
      known.followers.add(follower);
      return;
    }
    this.#evaluation.ensureCurrent();
    const variant: Variant = { client, followers: new Set(), value: this.#sharedWith(client) };
    this.#variants.set(key, variant);
    if (variant.value === undefined) this.#evaluation.evaluate();
    variant.followers.add(follower);
  }

  /** Whether no stream follows it any more. */
  leave({ key }: ResourceClient, follower: () => void): boolean {
    const variant = this.#variants.get(key);
    variant?.followers.delete(follower);
    if (variant?.followers.size === 0) this.#variants.delete(key);
    if (this.#variants.size > 0) return false;
    this.#evaluation.stop();
    return true;
  }

  current({ key }: ResourceClient): EncodedValue | undefined {
    this.#evaluation.ensureCurrent();
    return this.#variants.get(key)?.value;
  }

  evaluate(view: MeshView): void {
    this.#shared = NOTHING_SHARED;
    for (const variant of this.#variants.values()) {
      const shared = this.#sharedWith(variant.client);
      if (shared !== undefined) update(variant, shared);
      else this.#evaluateFor(variant, view);
    }
  }

  #evaluateFor(variant: Variant, view: MeshView): void {
    const { client, scope } = recordClient(variant.client);
    const encoded = this.#decide(view, client);
    if (encoded === undefined) return;
    const value = [variant.value, OUTSIDE].find((known) => isEqual(encoded, known)) ?? encode(encoded);
    update(variant, value);
    const { forAll, byNamespace } = this.#shared;
    if (scope() === "all") this.#shared = { forAll: value, byNamespace };
    if (scope() === "namespace") {
      this.#shared = { forAll, byNamespace: new Map(byNamespace).set(variant.client.namespace, value) };
    }
  }

  #sharedWith({ namespace }: ResourceClient): EncodedValue | undefined {
    return this.#shared.forAll ?? this.#shared.byNamespace.get(namespace);
  }
}

/** The values of the last evaluation that are the same for several clients. */
interface SharedValues {
  readonly forAll: EncodedValue | undefined;
  readonly byNamespace: ReadonlyMap<string, EncodedValue>;
}

const NOTHING_SHARED: SharedValues = { forAll: undefined, byNamespace: new Map() };

function update(variant: Variant, value: EncodedValue): void {
  if (value === variant.value) return;
  variant.value = value;
  for (const follower of variant.followers) follower();
}

function isEqual(encoded: Uint8Array, value: EncodedValue | undefined): value is EncodedValue {
  return value !== undefined && Buffer.compare(encoded, value.encoded) === 0;
}

/** Half of SHA-256: a digest is kept for each subscription, on both sides. */
const DIGEST_BYTES = 16;

/** The destination of every address outside the mesh: callers can invent such addresses. */
const OUTSIDE = encode(encodeDestination({ kind: "passthrough" }));

function encode(encoded: Uint8Array): EncodedValue {
  return { encoded, digest: hash("sha256", encoded, "buffer").subarray(0, DIGEST_BYTES) };
}
