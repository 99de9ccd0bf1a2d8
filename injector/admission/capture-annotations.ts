import { MeshError } from "../../mesh/mesh-error.ts";
import type { CaptureArgs, Ipv6Capture } from "../capture/capture-args.ts";
import {
  DEFAULT_CAPTURE_OPTIONS,
  parseInterfaceList,
  parseIpRangeList,
  parseIpRangesOrAll,
  parsePortList,
  parsePortsOrAll,
} from "../capture/capture-options.ts";
import { InjectorError } from "../injector-error.ts";

type Annotations = Readonly<Record<string, string>>;

const TRAFFIC = "traffic.sidecar.istio.io/";

/**
 * Reads what to capture from the pod's annotations; undefined if capture is off (`interceptionMode: NONE`).
 * @throws InjectorError `invalid_annotation`; the message names the annotation
 */
export function captureFromAnnotations(annotations: Annotations, ipv6: Ipv6Capture): CaptureArgs | undefined {
  const mode = annotations["sidecar.istio.io/interceptionMode"] ?? "REDIRECT";
  if (mode === "NONE") return undefined;
  if (mode !== "REDIRECT") {
    throw new InjectorError(
      "invalid_annotation",
      `the annotation sidecar.istio.io/interceptionMode is "${mode}"; supported are REDIRECT and NONE`,
    );
  }
  const read = <Value>(name: string, parse: (text: string) => Value, otherwise: Value) =>
    readAnnotation({ annotations, name: `${TRAFFIC}${name}`, parse, otherwise });
  const defaults = DEFAULT_CAPTURE_OPTIONS;
  return {
    ipv6,
    options: {
      ...defaults,
      includeOutboundIpRanges: read("includeOutboundIPRanges", parseIpRangesOrAll, defaults.includeOutboundIpRanges),
      excludeOutboundIpRanges: read("excludeOutboundIPRanges", parseIpRangeList, []),
      includeInboundPorts: read("includeInboundPorts", parsePortsOrAll, defaults.includeInboundPorts),
      // The proxy's own ports stay excluded, whatever the annotation contains.
      excludeInboundPorts: withPlaintextPorts(read("excludeInboundPorts", parsePortList, [])),
      includeOutboundPorts: read("includeOutboundPorts", parsePortList, []),
      excludeOutboundPorts: read("excludeOutboundPorts", parsePortList, []),
      excludeInterfaces: read("excludeInterfaces", parseInterfaceList, []),
    },
  };
}

export interface AnnotationReading<Value> {
  readonly annotations: Annotations;
  readonly name: string;
  readonly parse: (text: string) => Value;
  readonly otherwise: Value;
}

/** Reads one annotation. The error for a value that does not parse names the annotation. */
export function readAnnotation<Value>({ annotations, name, parse, otherwise }: AnnotationReading<Value>): Value {
  const text = annotations[name];
  if (text === undefined) return otherwise;
  try {
    return parse(text);
  } catch (caught) {
    const { code, message } = MeshError.from(caught);
    const reason = message.startsWith(`${code}: `) ? message.slice(code.length + 2) : message;
    throw new InjectorError("invalid_annotation", `the annotation ${name}: ${reason}`, { cause: caught });
  }
}

/** Reads `true` or `false`. */
export function parseBoolean(text: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  throw new InjectorError("invalid_annotation", `"${text}" is neither true nor false`);
}

function withPlaintextPorts(ports: readonly number[]): readonly number[] {
  const clear = DEFAULT_CAPTURE_OPTIONS.excludeInboundPorts;
  return [...clear, ...ports.filter((port) => !clear.includes(port))];
}
