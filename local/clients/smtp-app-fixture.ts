/** For tests: a server that speaks first, with the part of SMTP (RFC 5321) that curl needs to deliver a message. */
import { createServer, type Server, type Socket } from "node:net";

export interface Mail {
  readonly mail: string;
}

/** Greets every client, and reports each mail that it receives. */
export function createSmtpApp(report: (mail: Mail) => void): Server {
  return createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.write("220 server.ns2 speaks first\r\n");
    serve(socket, report);
  });
}

function serve(socket: Socket, report: (mail: Mail) => void): void {
  let held = "";
  let end = COMMAND_END;
  socket.on("data", (bytes: Buffer) => {
    const texts = (held + bytes.toString("latin1")).split(end);
    held = texts.pop() ?? "";
    for (const text of texts) {
      if (end === MESSAGE_END) report({ mail: text });
      // curl waits for the response to DATA and to its message: nothing follows them in the same packet.
      end = text === "DATA" ? MESSAGE_END : COMMAND_END;
      socket.write(REPLIES[text] ?? "250 well\r\n");
      if (text === "QUIT") socket.end();
    }
  });
}

const COMMAND_END = "\r\n";
const MESSAGE_END = "\r\n.\r\n";
const REPLIES: Readonly<Record<string, string>> = { DATA: "354 go on\r\n", QUIT: "221 bye\r\n" };
