import { MeshError } from "../mesh-error.ts";

/** An invalid message of the discovery service: the sender is faulty or has another version. */
export class ConvertError extends MeshError<"bad_message"> {
  constructor(message: string) {
    super("bad_message", message);
  }
}
