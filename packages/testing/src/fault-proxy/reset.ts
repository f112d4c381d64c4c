import type { Socket } from "node:net";

/** Resets a connection at once: whatever has not been sent is dropped, and the peer gets an RST and no FIN. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // A socket that is still connecting would be reset only once it is connected. And one whose FIN waits for earlier
  // bytes cannot be reset: libuv refuses with EINVAL, upon which Node never closes the socket.
  if (socket.connecting || (socket.writableEnded && !socket.writableFinished)) {
    socket.destroy();
    return;
  }
  // `resetAndDestroy` closes through `destroySoon`, which first sends what is queued and a FIN: the peer would see an
  // orderly end, and one that does not read would never be reset.
  socket.destroySoon = () => void socket.destroy();
  socket.resetAndDestroy();
}
