import { TransportError } from "../../CodexError.ts"

/** `start` is the known beginning of the frame, which names its method. */
export const frameTooLarge = (maxFrameBytes: number, start: string): TransportError =>
  new TransportError({
    reason: "frameTooLarge",
    detail: `the server sent a frame of more than ${maxFrameBytes} bytes (${
      /"method":"([^"]{1,80})"/.exec(start)?.[1]
        ?? (start === "" ? "its content was not read" : "a reply")
    }). Raise \`maxFrameBytes\`, or ask for less at once.`
  })
