/** Arbitrary routes for property tests. */
import fc from "fast-check";
import { GRPC_STATUS } from "../../resources/fields/grpc-status-names.ts";
import { findHeaderNameFault } from "../../resources/fields/header-rules.ts";
import type { HeaderOperations, HttpMatch, HttpRoute, StringMatch } from "./http-route.ts";

const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
const path = fc.stringMatching(/^\/[a-z0-9/?=&%.-]{0,12}$/);
const host = fc.constantFrom("a.example", "b.example:8080", "[::1]:80");
const percentage = fc.double({ min: 0, max: 100, noNaN: true });
const durationMs = fc.integer({ min: 1, max: 0x7f_ff_ff_ff });

const stringMatch: fc.Arbitrary<StringMatch> = fc.oneof(
  fc.record({
    kind: fc.constantFrom("exact" as const, "prefix" as const),
    value: fc.oneof(path, word, fc.constant("/")),
  }),
  fc.record({ kind: fc.constant("regex" as const), value: fc.constantFrom("/.*", ".*", "[a-z]+") }),
  fc.constant({ kind: "present" as const }),
);

const named = fc.array(fc.record({ name: fc.constantFrom("x-a", "x-b"), value: stringMatch }), { maxLength: 2 });

const match: fc.Arbitrary<HttpMatch> = fc.record(
  {
    uri: stringMatch,
    scheme: stringMatch,
    method: stringMatch,
    authority: stringMatch,
    headers: named,
    withoutHeaders: named,
    queryParams: named,
    ignoreUriCase: fc.boolean(),
  },
  { requiredKeys: ["headers", "withoutHeaders", "queryParams", "ignoreUriCase"] },
);

/** Most words are names that operations may change; `te` is not. */
const fieldName = word.filter((name) => findHeaderNameFault(name) === undefined);
const values = fc.array(fc.record({ name: fieldName, value: fc.stringMatching(/^[ -~]{0,8}$/) }), { maxLength: 2 });
const edit = fc.record({ set: values, add: values, remove: fc.array(fieldName, { maxLength: 2 }) });
const headers: fc.Arbitrary<HeaderOperations> = fc.record({ request: edit, response: edit });

const target = fc.record(
  {
    target: fc.record({
      kind: fc.constant("host" as const),
      host: word,
      port: fc.integer({ min: 1, max: 65535 }),
      subset: fc.constantFrom("", "v1"),
    }),
    weight: fc.integer({ min: 0, max: 100 }),
    headers,
    authority: host,
  },
  { requiredKeys: ["target", "weight"] },
);

const grpcStatus = fc.constantFrom(...Object.values(GRPC_STATUS));

const CONDITIONS = ["connect-failure", "refused-stream", "reset", "5xx", "gateway-error", "retriable-4xx"] as const;

const retries = fc.record(
  {
    attempts: fc.integer({ min: 0, max: 5 }),
    perTryTimeoutMs: durationMs,
    retryOn: fc.record(
      {
        conditions: fc.uniqueArray(fc.constantFrom(...CONDITIONS)),
        statuses: fc.uniqueArray(fc.integer({ min: 100, max: 599 }), { maxLength: 3 }),
        grpcStatuses: fc.uniqueArray(grpcStatus, { minLength: 1 }),
      },
      { requiredKeys: ["conditions", "statuses"] },
    ),
  },
  { requiredKeys: ["attempts", "retryOn"] },
);

const fault = fc.record(
  {
    delay: fc.record({ fixedDelayMs: durationMs, percentage }),
    abort: fc.record(
      { httpStatus: fc.integer({ min: 200, max: 599 }), grpcStatus, percentage },
      { requiredKeys: ["httpStatus", "percentage"] },
    ),
  },
  { requiredKeys: [] },
);

const redirect = fc.record(
  {
    uri: path,
    authority: host,
    scheme: fc.constantFrom("http" as const, "https" as const),
    port: fc.integer({ min: 1, max: 65535 }),
    code: fc.constantFrom(301 as const, 302 as const, 303 as const, 307 as const, 308 as const),
  },
  { requiredKeys: ["code"] },
);

/** A valid route such as a decision creates. */
export const routeArbitrary: fc.Arbitrary<HttpRoute> = fc.record(
  {
    name: word,
    matches: fc.array(match, { maxLength: 2 }),
    targets: fc.array(target, { maxLength: 3 }),
    refusal: fc.constantFrom("", "", "", "not supported"),
    rewrite: fc.record({ uri: path, authority: host }, { requiredKeys: [] }),
    redirect,
    timeoutMs: durationMs,
    retries,
    headers,
    fault,
  },
  { requiredKeys: ["name", "matches", "targets", "refusal"] },
);
