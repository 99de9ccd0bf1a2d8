import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { formatSocketAddress } from "../../net/socket-address.ts";
import type { HttpCheck } from "./parse-app-probes.ts";

/** The target of an HTTP check, and its source address. */
export interface HttpCheckTarget {
  readonly ip: string;
  /** The source address, so that the check is not captured. */
  readonly sourceIp: string;
  readonly signal: AbortSignal;
}

const MAX_HEADER_BYTES = 16_384;

/**
 * Returns the status of the application's response, requested on a connection of its own; the content is not read.
 * HTTPS is not verified, as in kubelet. Fails if there is no HTTP response, and when the signal aborts.
 *
 * Uses Node's own client, which a sidecar has loaded anyway: undici would add 5 MB to every pod.
 */
export async function checkHttp(check: HttpCheck, { ip, sourceIp, signal }: HttpCheckTarget): Promise<number> {
  const request = check.scheme === "https" ? requestHttps : requestHttp;
  return await new Promise((resolve, reject) => {
    const options = {
      host: ip,
      port: check.port,
      path: check.path,
      headers: headersOf(check, ip),
      localAddress: sourceIp,
      agent: false,
      maxHeaderSize: MAX_HEADER_BYTES,
      rejectUnauthorized: false,
      signal,
    };
    const onResponse = (answer: IncomingMessage): void => {
      answer.on("error", () => undefined);
      answer.destroy();
      resolve(answer.statusCode ?? 0);
    };
    request(options, onResponse).on("error", reject).end();
  });
}

/** Pairs, as declared: Node adds nothing to such a list. */
function headersOf({ headers, port }: HttpCheck, ip: string): string[] {
  const names = new Set(headers.map(({ name }) => name.toLowerCase()));
  const host = formatSocketAddress({ ip, port });
  return [
    ...(names.has("host") ? [] : ["host", host]),
    ...(names.has("user-agent") ? [] : ["user-agent", "kube-probe/entente"]),
    ...headers.flatMap(({ name, value }) => [name, value]),
  ];
}
