// Loaded before a process: its clock is a minute ahead of everybody else's.
const now = Date.now;
Date.now = () => now() + 60_000;
