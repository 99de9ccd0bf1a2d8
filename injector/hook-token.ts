import { randomBytes } from "node:crypto";

/** 128 random bits in hexadecimal: the end of a hook's path on the proxy's port. */
export function createHookToken(): string {
  return randomBytes(16).toString("hex");
}
