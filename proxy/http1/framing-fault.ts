import type { Http1Fault, Http1FaultCode } from "./framer-events.ts";

const STATUS: Readonly<Partial<Record<Http1FaultCode, number>>> = {
  bad_version: 505,
  connect_refused: 405,
  head_too_large: 431,
  too_many_fields: 431,
  trailers_too_large: 431,
};

/** Thrown inside a scanner, whose caller turns it into an event; never leaves this folder. */
export class FramingFault extends Error implements Http1Fault {
  readonly code: Http1FaultCode;
  readonly status: number;

  constructor(code: Http1FaultCode, message: string, status: number = STATUS[code] ?? 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Returns the fault that was thrown; rethrows other exceptions. */
export function faultFrom(caught: unknown): Http1Fault {
  if (!(caught instanceof FramingFault)) throw caught;
  const { code, status, message } = caught;
  return { code, status, message };
}
