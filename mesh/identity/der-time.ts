import type { DerElement, DerReader } from "./der-reader.ts";
import { IdentityError } from "./identity-error.ts";

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;

/** The two types of RFC 5280's Time. */
export const DER_TIME_TAGS = [UTC_TIME, GENERALIZED_TIME] as const;

/** `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`: seconds are there, fractions are not (RFC 5280, section 4.1.2.5). */
const FORM = {
  [UTC_TIME]: /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
  [GENERALIZED_TIME]: /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/,
};

/** A time in epoch milliseconds. Any other form, and a day that does not exist, is an IdentityError. */
export function readDerTime(reader: DerReader, element: DerElement, what: string): number {
  const { tag } = element;
  if (tag !== UTC_TIME && tag !== GENERALIZED_TIME) throw timeError(`${what} is no time`);
  const text = Buffer.from(reader.content(element)).toString("latin1");
  const [, year = "", ...rest] = FORM[tag].exec(text) ?? [];
  const [month = "", day = "", hour = "", minute = "", second = ""] = rest;
  // Two digits below 50 are of this century (RFC 5280, section 4.1.2.5.1).
  const century = tag === UTC_TIME ? (Number(year) < 50 ? "20" : "19") : "";
  const iso = `${century}${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const ms = Date.parse(iso);
  // A 31st of April would become a first of May.
  if (Number.isNaN(ms) || new Date(ms).toISOString() !== iso)
    throw timeError(`${what} is not a time in RFC 5280's form`);
  return ms;
}

function timeError(message: string): IdentityError {
  return new IdentityError("certificate_der", message);
}
