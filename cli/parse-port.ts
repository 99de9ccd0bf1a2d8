import { UsageError } from "./usage-error.ts";

/** Reads a port number, 1 to 65535; throws a UsageError that names the option. */
export function parsePort(text: string, option: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new UsageError(`${option} is a port from 1 to 65535, not "${text}"`);
}
