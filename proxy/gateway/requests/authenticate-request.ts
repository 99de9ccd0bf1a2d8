import type { EventEmitter } from "node:events";
import { foldHeaderName } from "../../../mesh/resources/fields/header-rules.ts";
import type { Authentication, RequestAuthenticator } from "../../http/authentication/request-authenticator.ts";
import type { TokenEdits } from "../../http/authentication/token-edits.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import type { ClientGuard } from "../fault-guard.ts";
import type { AcceptedRequest } from "./accepted-request.ts";

export interface AuthenticatingRequest {
  readonly head: RequestHead;
  readonly guard: ClientGuard;
  /** The response, or the client's connection: nothing follows if it closes before. */
  readonly waiting: EventEmitter;
  /** The client's connection. */
  readonly client: object;
}

/** Continues with a request once its token is verified: at once, unless that has to wait. */
export function authenticateRequest(
  { head, guard, waiting, client }: AuthenticatingRequest,
  authenticator: RequestAuthenticator,
  action: (authentication: Authentication) => void,
): void {
  const authentication = authenticator.authenticate(head, client);
  if (!(authentication instanceof Promise)) return void action(authentication);
  let isOver = false;
  const onClose = (): void => {
    isOver = true;
  };
  waiting.once("close", onClose);
  authentication
    .then((settled) => {
      waiting.off("close", onClose);
      if (!isOver) guard.run(() => action(settled));
    })
    .catch(guard.fault);
}

/**
 * The request as it is routed: without the fields that only the gateway may set, and without its token where that is
 * not forwarded. What the gateway adds follows later (`edits.headers.added`), so that no field of the client's
 * (`Connection`) can take it away.
 */
export function withTokenEdits(accepted: AcceptedRequest, { headers, path }: TokenEdits): AcceptedRequest {
  if (headers === undefined && path === undefined) return accepted;
  const isKept = (name: string): boolean => headers?.removed.has(foldHeaderName(name)) !== true;
  return {
    ...accepted,
    path: path ?? accepted.path,
    headers: accepted.headers.filter(([name]) => isKept(name)),
  };
}
