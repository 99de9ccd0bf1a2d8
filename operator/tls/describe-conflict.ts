import type { ClientSide, ServerSide } from "./tls-row.ts";

/** The two sides of a connection and the rules that decided them. */
export interface Conflict {
  readonly server: ServerSide;
  readonly client: ClientSide;
  readonly authenticationPolicy: string;
  readonly destinationRule: string;
}

/** Why the server does not accept what the client sends, and what to change. */
export function describeConflict({ server, client, authenticationPolicy, destinationRule }: Conflict): string {
  if (client === "NONE") {
    return (
      `the client has no sidecar and sends plaintext; the server requires mutual TLS (${authenticationPolicy}). ` +
      "Inject the client, or make the server's port PERMISSIVE"
    );
  }
  if (client === "DISABLE") {
    return (
      `the client sends plaintext (${destinationRule}); the server requires mutual TLS (${authenticationPolicy}). ` +
      `Remove the tls mode DISABLE from ${destinationRule}, or make the server's port PERMISSIVE`
    );
  }
  const reason =
    server === "NONE"
      ? "the server has no sidecar"
      : `the server's sidecar hands TLS on to its application (${authenticationPolicy})`;
  return (
    `the client sends mutual TLS (${destinationRule}); ${reason}. ` +
    "Add a DestinationRule for this host with tls mode DISABLE, or " +
    (server === "NONE" ? "inject the server" : "make the server's port PERMISSIVE")
  );
}
