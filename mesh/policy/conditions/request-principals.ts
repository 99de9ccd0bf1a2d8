import type { RequestTest } from "./attributes.ts";
import { isNotEmpty, type TextTest } from "./match-text.ts";

/** A token's issuer and subject, which must both match. */
interface PrincipalTest {
  readonly issuer: TextTest;
  readonly subject: TextTest;
}

/**
 * Whether a token is one of some `ISSUER/SUBJECT`. The last slash divides them, since an issuer may be a URL. Where
 * there is no slash, `*x` is any issuer with the subject's suffix, and `x*` the issuer's prefix with any subject. A
 * token without issuer or subject is none of them.
 */
export function compileRequestPrincipals(values: readonly string[]): RequestTest {
  const tests = values.map(parsePrincipal);
  return ({ token }) => {
    if (token === undefined || token.issuer === "" || token.subject === "") return false;
    return tests.some(({ issuer, subject }) => issuer(token.issuer) && subject(token.subject));
  };
}

function parsePrincipal(value: string): PrincipalTest {
  const slash = value.lastIndexOf("/");
  if (value === "*") return { issuer: isNotEmpty, subject: isNotEmpty };
  if (slash < 0) return parseWithoutSlash(value);
  const issuer = value.slice(0, slash);
  const subject = value.slice(slash + 1);
  if (value.startsWith("*")) return { issuer: suffixOf(issuer.slice(1)), subject: exactly(subject) };
  if (value.endsWith("*")) return { issuer: exactly(issuer), subject: prefixOf(subject.slice(0, -1)) };
  return { issuer: exactly(issuer), subject: exactly(subject) };
}

function parseWithoutSlash(value: string): PrincipalTest {
  if (value.startsWith("*")) return { issuer: isNotEmpty, subject: suffixOf(value.slice(1)) };
  if (value.endsWith("*")) return { issuer: prefixOf(value.slice(0, -1)), subject: isNotEmpty };
  return { issuer: exactly(value), subject: exactly("") };
}

function exactly(wanted: string): TextTest {
  return (text) => text === wanted;
}

function prefixOf(wanted: string): TextTest {
  return (text) => text.startsWith(wanted);
}

function suffixOf(wanted: string): TextTest {
  return (text) => text.endsWith(wanted);
}
