import type { ConnectionFault } from "../frames/frame-rules.ts";
import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  ERROR_CODE,
  MAX_WINDOW_BYTES,
  SETTING,
} from "../frames/frame-types.ts";

/** Until the peer's SETTINGS arrive, which usually allow no fewer streams. */
const ASSUMED_CONCURRENT_STREAMS = 100;

const MAX_FRAME_BYTES = 16_777_215;

/** The peer's settings that are in force (RFC 9113 §6.5.2). */
export class PeerSettings {
  maxConcurrentStreams = ASSUMED_CONCURRENT_STREAMS;
  initialWindowBytes = DEFAULT_WINDOW_BYTES;
  /** Receives each SETTINGS_HEADER_TABLE_SIZE, in order: the encoder announces the smallest (RFC 7541 §4.2). */
  readonly #setTableBytes: (bytes: number) => void;
  /** The most that it accepts in one field list; advisory. */
  maxHeaderListBytes = Number.POSITIVE_INFINITY;
  /** RFC 8441 §3. */
  allowsExtendedConnect = false;
  #isFirst = true;

  constructor(setTableBytes: (bytes: number) => void) {
    this.#setTableBytes = setTableBytes;
  }

  /** Whether SETTINGS have arrived: they must be the first frame (RFC 9113 §3.4). */
  get hasArrived(): boolean {
    return !this.#isFirst;
  }

  /**
   * Applies a SETTINGS frame's entries in their order (§6.5.3). Unknown ones are ignored.
   * @param sender the role of the peer.
   */
  apply(payload: Buffer, start: number, end: number, sender: "client" | "server"): ConnectionFault | undefined {
    if (this.#isFirst) this.maxConcurrentStreams = Number.POSITIVE_INFINITY;
    this.#isFirst = false;
    for (let at = start; at + 6 <= end; at += 6) {
      const fault = this.#applyOne(payload.readUInt16BE(at), payload.readUInt32BE(at + 2), sender);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #applyOne(identifier: number, value: number, sender: "client" | "server"): ConnectionFault | undefined {
    switch (identifier) {
      case SETTING.headerTableSize:
        this.#setTableBytes(value);
        return undefined;
      case SETTING.enablePush:
        return value === 0 || (value === 1 && sender === "client") ? undefined : illegal("SETTINGS_ENABLE_PUSH");
      case SETTING.maxConcurrentStreams:
        this.maxConcurrentStreams = value;
        return undefined;
      case SETTING.initialWindowSize:
        if (value > MAX_WINDOW_BYTES) return illegal("SETTINGS_INITIAL_WINDOW_SIZE", ERROR_CODE.flowControlError);
        this.initialWindowBytes = value;
        return undefined;
      case SETTING.maxFrameSize:
        if (value >= DEFAULT_MAX_FRAME_BYTES && value <= MAX_FRAME_BYTES) return undefined;
        return illegal("SETTINGS_MAX_FRAME_SIZE");
      case SETTING.maxHeaderListSize:
        this.maxHeaderListBytes = value;
        return undefined;
      case SETTING.enableConnectProtocol:
        if (value > 1 || (value === 0 && this.allowsExtendedConnect))
          return illegal("SETTINGS_ENABLE_CONNECT_PROTOCOL");
        this.allowsExtendedConnect = value === 1;
        return undefined;
      default:
        return undefined;
    }
  }
}

function illegal(name: string, code: number = ERROR_CODE.protocolError): ConnectionFault {
  return { code, message: `the peer's ${name} has an illegal value` };
}
