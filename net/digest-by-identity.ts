import { hash } from "node:crypto";

/** Half of SHA-256, in hexadecimal. */
const DIGEST_LENGTH = 32;

/** A function that returns the digest of a value's content. The one of the last value is kept, until there is another object. */
export function digestByIdentity<Value>(contentOf: (value: Value) => unknown): (value: Value) => string {
  let last: { readonly value: Value; readonly digest: string } | undefined;
  return (value) => {
    if (last === undefined || last.value !== value) {
      last = { value, digest: hash("sha256", JSON.stringify(contentOf(value))).slice(0, DIGEST_LENGTH) };
    }
    return last.digest;
  };
}
