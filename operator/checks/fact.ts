import { MeshError } from "../../mesh/mesh-error.ts";
import { type CheckOutcome, skipped } from "./check.ts";

/** Something that was read from the cluster, or why it could not be. */
export type Fact<Value> =
  | { readonly kind: "known"; readonly value: Value }
  | { readonly kind: "unknown"; readonly reason: string };

export function known<Value>(value: Value): Fact<Value> {
  return { kind: "known", value };
}

export function unknown(reason: string): Extract<Fact<never>, { kind: "unknown" }> {
  return { kind: "unknown", reason };
}

/** Reads a fact; a failure is a fact too. Rejects only when the caller gives up. */
export async function readFact<Value>(read: () => Promise<Value>, signal: AbortSignal): Promise<Fact<Value>> {
  try {
    return known(await read());
  } catch (caught) {
    signal.throwIfAborted();
    return unknown(MeshError.from(caught).message);
  }
}

/** Judges a fact; what is unknown cannot be judged. */
export function judge<Value>(fact: Fact<Value>, decide: (value: Value) => CheckOutcome): CheckOutcome {
  return fact.kind === "known" ? decide(fact.value) : skipped(fact.reason);
}

/** Two facts, both of which a check needs. */
export function both<Left, Right>(left: Fact<Left>, right: Fact<Right>): Fact<readonly [Left, Right]> {
  if (left.kind === "unknown") return left;
  return right.kind === "unknown" ? right : known([left.value, right.value]);
}
