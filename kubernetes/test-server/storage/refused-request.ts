/** Why the test server refuses a request: what a Status object says. */
export class RefusedRequest extends Error {
  readonly status: number;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(status: number, reason: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.details = details;
  }
}

/** The Status object of a refused request. */
export function statusObject({ status, reason, message, details }: RefusedRequest): Readonly<Record<string, unknown>> {
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, details, code: status };
}

export function notFound(resource: string, name: string): RefusedRequest {
  return new RefusedRequest(404, "NotFound", `${resource} "${name}" not found`, { name, kind: resource });
}

export function conflict(resource: string, name: string, why: string): RefusedRequest {
  const message = `Operation cannot be fulfilled on ${resource} "${name}": ${why}`;
  return new RefusedRequest(409, "Conflict", message, { name, kind: resource });
}

export function alreadyExists(resource: string, name: string): RefusedRequest {
  return new RefusedRequest(409, "AlreadyExists", `${resource} "${name}" already exists`, { name, kind: resource });
}

export function terminating(namespace: string): RefusedRequest {
  const text = `unable to create new content in namespace ${namespace} because it is being terminated`;
  return new RefusedRequest(403, "Forbidden", text, { causes: [{ reason: "NamespaceTerminating" }] });
}

export function expired(message: string): RefusedRequest {
  return new RefusedRequest(410, "Expired", message);
}

export function invalidObject(kind: string, name: string, why: string): RefusedRequest {
  return new RefusedRequest(422, "Invalid", `${kind} "${name}" is invalid: ${why}`, { name, kind });
}

export function badRequest(message: string): RefusedRequest {
  return new RefusedRequest(400, "BadRequest", message);
}
