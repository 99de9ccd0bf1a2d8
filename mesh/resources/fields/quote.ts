const MAX_SHOWN = 60;

/** A value of the configuration, quoted for a message. */
export function quote(value: string): string {
  return value.length > MAX_SHOWN ? `${JSON.stringify(value.slice(0, MAX_SHOWN))}…` : JSON.stringify(value);
}
