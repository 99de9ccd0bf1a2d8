import type { CountedCall, CountedRequest, RequestMeter } from "./request-meter.ts";

/** A meter that records what it is given, for tests. */
export interface RecordingMeter {
  readonly meter: RequestMeter;
  /** Requests that are not calls of gRPC. */
  readonly requests: CountedRequest[];
  readonly calls: CountedCall[];
  /** Each report of messages of calls: from the client, from the server. */
  readonly messages: (readonly [requests: number, responses: number])[];
}

export function createRecordingMeter(): RecordingMeter {
  const requests: CountedRequest[] = [];
  const calls: CountedCall[] = [];
  const messages: (readonly [number, number])[] = [];
  const meter: RequestMeter = {
    count: (request) => void requests.push({ ...request }),
    calls: {
      countCall: (call) => void calls.push({ ...call }),
      addMessages: (fromClient, fromServer) => void messages.push([fromClient, fromServer]),
    },
  };
  return { meter, requests, calls, messages };
}
