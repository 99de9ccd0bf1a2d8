import type { ConnectionView } from "../../../../proxy/admin/connections-view.ts";
import { curlInPod, type DemoPod } from "../pods/demo-pod.ts";
import { fieldOf, listOf, parseJson, textOf } from "./json-fields.ts";

/** A connection as a sidecar's `/connections` shows it, as far as the demo looks at it. */
export type ShownConnection = Pick<
  ConnectionView,
  "direction" | "client" | "destination" | "endpoint" | "host" | "rule" | "mutual_tls"
>;

/** The sidecar's own certificate as its `/certs` shows it. */
export interface ShownCertificate {
  readonly identity: string;
  readonly serial: string;
  readonly notAfter: string;
}

const ADMIN = "http://127.0.0.1:15000";

/** Asks the pod's proxy for its open connections; from inside the pod, since the port is bound to loopback. */
export async function readConnections(pod: DemoPod): Promise<readonly ShownConnection[]> {
  return parseConnections((await curlInPod(pod, `${ADMIN}/connections`)).stdout);
}

/** Asks the pod's proxy for its certificate; `undefined` while it has none or does not respond. */
export async function readCertificate(pod: DemoPod): Promise<ShownCertificate | undefined> {
  return parseCertificate((await curlInPod(pod, `${ADMIN}/certs`)).stdout);
}

/** Reads the response of `/connections`. What is not a connection is left out. */
export function parseConnections(text: string): readonly ShownConnection[] {
  return listOf(parseJson(text), "connections").flatMap((entry) => {
    const direction = textOf(entry, "direction");
    if (direction !== "inbound" && direction !== "outbound") return [];
    const security = fieldOf(entry, "mutual_tls");
    return [
      {
        direction,
        client: textOf(entry, "client"),
        destination: textOf(entry, "destination"),
        endpoint: textOf(entry, "endpoint"),
        host: textOf(entry, "host"),
        rule: textOf(entry, "rule"),
        mutual_tls:
          security === null
            ? null
            : {
                peer: textOf(security, "peer"),
                version: textOf(security, "version"),
                cipher: textOf(security, "cipher"),
                key_exchange: textOf(security, "key_exchange"),
              },
      },
    ];
  });
}

/** Reads the response of `/certs`. */
export function parseCertificate(text: string): ShownCertificate | undefined {
  const view = parseJson(text);
  const [leaf] = listOf(view, "chain");
  const serial = textOf(leaf, "serial_number");
  if (serial === "") return undefined;
  return { identity: textOf(view, "identity"), serial, notAfter: textOf(view, "not_after") };
}
