import { type IncomingMessage, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { formatSocketAddress } from "../../net/socket-address.ts";
import type { HttpCheck } from "./parse-app-probes.ts";

/** From where an HTTP check asks which address. */
export interface HttpCheckTarget {
  readonly ip: string;
  /** So that the question is not captured. */
  readonly sourceIp: string;
  readonly signal: AbortSignal;
}

const MAX_HEADER_BYTES = 16_384;

/**
 * The status that the application answers on a connection of its own; its content is not read. HTTPS is not verified,
 * as kubelet does not. Fails where nothing answers HTTP, and when the signal aborts.
 *
 * Node's own client, because a sidecar has it loaded anyway: undici would be 5 MB more in every pod.
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
    const onAnswer = (answer: IncomingMessage): void => {
      answer.on("error", () => undefined);
      answer.destroy();
      resolve(answer.statusCode ?? 0);
    };
    request(options, onAnswer).on("error", reject).end();
  });
}

/** In pairs, as declared: Node adds nothing to such a list. */
function headersOf({ headers, port }: HttpCheck, ip: string): string[] {
  const names = new Set(headers.map(({ name }) => name.toLowerCase()));
  const host = formatSocketAddress({ ip, port });
  return [
    ...(names.has("host") ? [] : ["host", host]),
    ...(names.has("user-agent") ? [] : ["user-agent", "kube-probe/entente"]),
    ...headers.flatMap(({ name, value }) => [name, value]),
  ];
}
