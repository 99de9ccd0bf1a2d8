/** For tests: the first bytes of TLS clients. */

/** A whole ClientHello of OpenSSL's, without ALPN. */
export function clientHelloWithoutAlpn(): Buffer {
  const extensions = Buffer.from("0017000000230000000d000400020403", "hex");
  const body = Buffer.concat([
    Buffer.from("0303", "hex"),
    Buffer.alloc(32, 7),
    Buffer.from("00", "hex"),
    Buffer.from("00021301", "hex"),
    Buffer.from("0100", "hex"),
    Buffer.from([0, extensions.length]),
    extensions,
  ]);
  const message = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body]);
  return Buffer.concat([Buffer.from([0x16, 3, 1, 0, message.length]), message]);
}
