import { errnoOf, MeshError } from "../../mesh/mesh-error.ts";

const CLOCK_HINT = "compare this machine's clock with the server's";
const CA_HINT = "the kubeconfig's certificate authority is not the server's, or something between them ends TLS";

/** What to do about errors that users meet, by Node's error code. */
const HINTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there: is the API server running?",
  ENOTFOUND: "the name does not resolve",
  EAI_AGAIN: "the name server does not answer",
  ECONNRESET: "the server closed the connection",
  UND_ERR_SOCKET: "the server closed the connection",
  UND_ERR_CONNECT_TIMEOUT: "the server does not answer: is it running, and does a firewall lie between?",
  ETIMEDOUT: "the server does not answer: is it running, and does a firewall lie between?",
  EHOSTUNREACH: "there is no route to the server",
  ENETUNREACH: "there is no route to the server",
  CERT_HAS_EXPIRED: `the server's certificate has expired: ${CLOCK_HINT}`,
  CERT_NOT_YET_VALID: `the server's certificate is not valid yet: ${CLOCK_HINT}`,
  DEPTH_ZERO_SELF_SIGNED_CERT: CA_HINT,
  SELF_SIGNED_CERT_IN_CHAIN: CA_HINT,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CA_HINT,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CA_HINT,
  CERT_SIGNATURE_FAILURE: CA_HINT,
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate is for other names: correct `server` or `tls-server-name`",
};

/** Why a connection failed and what to do, in one line. */
export function describeFailure(caught: unknown): string {
  const error = rootCause(caught);
  const code = errnoOf(error);
  const hint = code === undefined ? undefined : HINTS[code];
  const text = error.message === "" ? (code ?? "the connection failed") : error.message;
  return hint === undefined ? text : `${text} (${hint})`;
}

/** Undici wraps errors, and a dial to several addresses reports an AggregateError. */
function rootCause(caught: unknown): Error {
  if (!(caught instanceof Error)) return MeshError.from(caught);
  if (caught instanceof AggregateError && caught.errors[0] instanceof Error) return rootCause(caught.errors[0]);
  return caught.cause instanceof Error && errnoOf(caught) === undefined ? rootCause(caught.cause) : caught;
}
