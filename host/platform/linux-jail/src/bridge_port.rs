//! The program at the host's end of a jail's pair of interfaces: what the jail sends to the host, or by way of the host,
//! is taken from there to the bridge's own interface, past the bridge.
//!
//! Without it the packet would take the same way, unless the host filters bridged frames
//! (`net.bridge.bridge-nf-call-iptables`, which container engines and hypervisors like to set). Then the bridge asks the
//! firewall before it is known that the packet is to be routed; one that is redirected to a container of the same bridge
//! is bridged instead, which an isolated port refuses, as every port does to what came from it; and one that is refused
//! is answered under the container's address, by which nobody was asked.

use std::io;
use std::os::fd::OwnedFd;

use crate::assembler::{Assembler, Helper, Register};
use crate::sys;
use Register::{Argument1, Argument2, Argument3, Argument4, Frame, Result, Saved};

/// `BPF_PROG_TYPE_SCHED_CLS` (linux/bpf.h).
const CLASSIFIER: u32 = 3;
/// `BPF_F_INGRESS`: as if it had arrived there.
const ARRIVING: u32 = 1;
/// `TC_ACT_UNSPEC` (linux/pkt_cls.h): on its way as before.
const GO_ON: u32 = u32::MAX;
/// The offset of `protocol` in `struct __sk_buff`.
const PROTOCOL: i16 = 16;
/// `ETH_P_IP` and `ETH_P_IPV6`: all that a firewall is asked about.
const ROUTED: [u16; 2] = [0x0800, 0x86dd];

/// Loads the program, for a port of the bridge with this index and hardware address. It is to be attached as a classifier
/// to what the port receives.
///
/// # Errors
/// What the kernel says: it has no such programs, or the caller is not root.
pub fn program_of_bridge_port(bridge: u32, address: [u8; 6]) -> io::Result<OwnedFd> {
    sys::load_bpf_program(&program(bridge, address), CLASSIFIER, 0)
}

fn program(bridge: u32, [a, b, c, d, e, f]: [u8; 6]) -> Vec<u64> {
    let mut code = Assembler::default();
    let (routed, go_on) = (code.label(), code.label());
    code.copy(Saved, Argument1);
    code.load(Result, Saved, PROTOCOL);
    for protocol in ROUTED {
        code.jump_if(Result, u32::from(protocol.to_be()), routed);
    }
    code.jump(go_on);
    code.put(routed);
    // The address of who is to have the frame, and two bytes more.
    code.copy(Argument1, Saved);
    code.set(Argument2, 0);
    code.copy(Argument3, Frame);
    code.add(Argument3, -8);
    code.set(Argument4, 8);
    code.call(Helper::LoadPacketBytes);
    code.jump_unless(Result, 0, go_on);
    code.load(Argument2, Frame, -8);
    code.jump_unless(Argument2, u32::from_ne_bytes([a, b, c, d]), go_on);
    code.load(Argument2, Frame, -4);
    code.and(Argument2, u32::from_ne_bytes([0xff, 0xff, 0, 0]));
    code.jump_unless(Argument2, u32::from_ne_bytes([e, f, 0, 0]), go_on);
    code.set(Argument1, bridge);
    code.set(Argument2, ARRIVING);
    code.answer_call(Helper::Redirect);
    code.put(go_on);
    code.answer(GO_ON);
    code.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_takes_the_program() {
        program_of_bridge_port(1, [2, 0, 0, 0, 0xff, 0xfe]).unwrap();
    }
}
