/** One end of a TCP connection. */
export interface SocketAddress {
  /** IPv4 dotted, or IPv6 without brackets. */
  readonly ip: string;
  readonly port: number;
}

/** `10.0.0.1:8080`, or `[fd00::1]:8080`: an IPv6 address in brackets (RFC 3986, section 3.2.2). */
export function formatSocketAddress({ ip, port }: SocketAddress): string {
  return `${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
}
