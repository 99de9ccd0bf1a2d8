import type { AuthorizationCondition } from "../authorization/authorization.ts";
import type { ConnectionTest, RequestTest } from "./attributes.ts";
import { CONNECTION_FIELDS } from "./connection-fields.ts";
import { compileRequestField } from "./request-fields.ts";

/**
 * A condition that can be tested. `unusable`: its key is unknown, one of its values has no meaning for the key, or it
 * has no values, which may be all that an older proxy reads of a newer control plane's condition.
 */
export type CompiledCondition =
  | { readonly kind: "connection"; readonly test: ConnectionTest }
  | { readonly kind: "request"; readonly test: RequestTest }
  | { readonly kind: "unusable" };

/** Compiles a condition by its key; keys are case-sensitive, as in Istio. */
export function compileCondition(condition: AuthorizationCondition): CompiledCondition {
  const { key, values, notValues } = condition;
  if (values.length === 0 && notValues.length === 0) return { kind: "unusable" };
  const ofConnection = CONNECTION_FIELDS.get(key);
  if (ofConnection !== undefined) {
    const test = combine(ofConnection(values), ofConnection(notValues), condition);
    return test === undefined ? { kind: "unusable" } : { kind: "connection", test };
  }
  const test = combine(compileRequestField(key, values), compileRequestField(key, notValues), condition);
  return test === undefined ? { kind: "unusable" } : { kind: "request", test };
}

function combine<Facts>(
  wanted: ((facts: Facts) => boolean) | undefined,
  unwanted: ((facts: Facts) => boolean) | undefined,
  { values, notValues }: AuthorizationCondition,
): ((facts: Facts) => boolean) | undefined {
  if (wanted === undefined || unwanted === undefined) return undefined;
  if (notValues.length === 0) return wanted;
  if (values.length === 0) return (facts) => !unwanted(facts);
  return (facts) => wanted(facts) && !unwanted(facts);
}
