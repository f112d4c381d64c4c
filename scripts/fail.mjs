// Ends a script with a message that says what is wrong.

/** Prints what is wrong and ends. @param {string} message @returns {never} */
export function fail(message) {
  console.error(message);
  process.exit(1);
}
