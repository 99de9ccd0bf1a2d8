import type { Logger } from "../../mesh/runtime.ts";
import { isLocalHost } from "../../net/client-address.ts";
import {
  type LocalHttpRequest,
  type LocalHttpResponse,
  type LocalHttpServer,
  startLocalHttpServer,
} from "../../net/local-http-server.ts";
import type { CertificatesView } from "./certificates-view.ts";
import type { ConnectionView, DestinationView } from "./connections-view.ts";
import type { PoliciesView } from "./policies-view.ts";

/** What the administration server shows; each view is evaluated for every request. */
export interface AdminViews {
  /** `undefined`: no certificate yet, or it has expired. */
  readonly certificates: () => CertificatesView | undefined;
  readonly destinations: () => readonly DestinationView[];
  readonly connections: () => readonly ConnectionView[];
  /** `undefined`: they have not arrived yet. */
  readonly policies: () => PoliciesView | undefined;
}

export interface AdminServerOptions {
  /** @default 15000 */
  readonly port?: number;
  readonly views: AdminViews;
  readonly log: Logger;
}

/** How many connections one response lists; it also contains the total. */
const MAX_LISTED = 1000;

/**
 * Shows an operator inside the pod the proxy's state: `kubectl exec` or `kubectl port-forward`, then `/certs`,
 * `/destinations`, `/connections`, `/authorization`, or all of them as `/config_dump`. On loopback and read-only. A web page whose name
 * was rebound to 127.0.0.1 sends its own name as Host and is refused.
 */
export function startAdminServer(options: AdminServerOptions): Promise<LocalHttpServer> {
  const { views, log, port = 15000 } = options;
  return startLocalHttpServer({ port, host: "127.0.0.1", log, respond: (request) => respondToAdmin(request, views) });
}

function respondToAdmin(request: LocalHttpRequest, views: AdminViews): LocalHttpResponse {
  const { host } = request.headers;
  if (!isLocalHost(host)) {
    return { status: 403, body: "the administration port serves only the hosts localhost, 127.0.0.1 and [::1]\n" };
  }
  if (request.method !== "GET") return { status: 405, body: "the administration port is read-only: use GET\n" };
  switch (request.path) {
    case "/":
      return { status: 200, body: "/certs\n/destinations\n/connections\n/authorization\n/config_dump\n" };
    case "/certs":
      return json(showCertificates(views));
    case "/destinations":
      return json(showSome("destinations", views.destinations()));
    case "/connections":
      return json(showSome("connections", views.connections()));
    case "/authorization":
      return json(views.policies() ?? NONE);
    case "/config_dump":
      return json({
        certificates: showCertificates(views),
        ...showSome("destinations", views.destinations()),
        ...showSome("connections", views.connections()),
        authorization: views.policies() ?? NONE,
      });
    default:
      return { status: 404, body: "there is /certs, /destinations, /connections, /authorization and /config_dump\n" };
  }
}

const NONE = { state: "none" } as const;

function showCertificates(views: AdminViews): CertificatesView | typeof NONE {
  return views.certificates() ?? NONE;
}

function showSome(name: "destinations" | "connections", items: readonly unknown[]): Record<string, unknown> {
  return { [`total_${name}`]: items.length, [name]: items.slice(0, MAX_LISTED) };
}

function json(value: unknown): LocalHttpResponse {
  return { status: 200, body: `${JSON.stringify(value, undefined, 2)}\n`, contentType: "application/json" };
}
