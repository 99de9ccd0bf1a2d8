/**
 * What tokens cost small requests through a pair of sidecars: without rules, with rules but no token, and with a token
 * that the server's side knows. They take turns. `node bench/measure-tokens.ts [SECONDS [ROUNDS]]`
 */
import {
  createIssuerKey,
  keySetOf,
  signToken,
  testTokenRule,
} from "../mesh/policy/request-authentication/token-issuer-fixture.ts";
import type { TokenRule } from "../mesh/policy/request-authentication/token-rule.ts";
import { type Case, measureCases } from "./measure-cases.ts";

const [seconds = 5, rounds = 5] = process.argv.slice(2).map(Number);

const key = createIssuerKey("one");
const tokenRules: readonly TokenRule[] = [testTokenRule({ jwks: keySetOf(key) })];
const BEARER = `Authorization=Bearer ${signToken(key, { claims: { aud: "shop", exp: 4_000_000_000, scope: "a b c" } })}`;

const CASES: readonly Case[] = [
  { name: "no rules, no token", checks: {}, headers: [] },
  { name: "no rules, a token", checks: {}, headers: [BEARER] },
  { name: "rules, no token", checks: { tokenRules }, headers: [] },
  { name: "rules, a known token", checks: { tokenRules }, headers: [BEARER] },
];

process.stdout.write(`${await measureCases(CASES, { hopVersion: "adaptive", seconds, rounds })}\n`);
