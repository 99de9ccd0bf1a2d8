import { type Dispatcher, request } from "undici";

export interface GatewayAnswer {
  readonly status: number;
  readonly text: string;
}

export interface GatewayRequest {
  readonly url: string;
  readonly host: string;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
}

/** A request never takes longer than this, whoever is at fault. */
const TIMEOUT_MS = 5000;

/** Asks the gateway as a browser of that name would. */
export async function askGateway({ url, host, dispatcher, signal }: GatewayRequest): Promise<GatewayAnswer> {
  const limits = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
  const { statusCode, body } = await request(url, { dispatcher, signal, headers: { host }, ...limits });
  return { status: statusCode, text: (await body.text()).trim() };
}
