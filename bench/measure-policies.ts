/**
 * What AuthorizationPolicies cost small requests through a pair of sidecars with HTTP/1.1 on the hop, by their number and
 * by how their rules are found. They take turns. `node bench/measure-policies.ts [SECONDS [ROUNDS]]`
 */
import { type Case, measureCases } from "./measure-cases.ts";
import { MATCHING_HEADER } from "./paths/policy-load.ts";

const [seconds = 2, rounds = 5] = process.argv.slice(2).map(Number);

/** All requests are the same, whether a policy reads the field or not. */
const headers = [`${MATCHING_HEADER.name}=${MATCHING_HEADER.value}`];
const CASES: readonly Case[] = [
  { name: "no policy", checks: {}, headers },
  { name: "10 by identity and method", checks: { policies: { count: 10, by: "identity" } }, headers },
  { name: "1,000 by identity and method", checks: { policies: { count: 1000, by: "identity" } }, headers },
  { name: "10 by a header alone", checks: { policies: { count: 10, by: "header" } }, headers },
  { name: "1,000 by a header alone", checks: { policies: { count: 1000, by: "header" } }, headers },
];

process.stdout.write(`${await measureCases(CASES, { hopVersion: "1.1", seconds, rounds })}\n`);
