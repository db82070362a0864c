//! Ports of bridges: who is behind one is known, and what is for the host takes the short way to it.

use std::os::fd::{AsRawFd, OwnedFd};

use futures_util::StreamExt;
use kleene_linux_jail::program_of_bridge_port;
use kleene_plan::MacAddress;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::neighbour::{NeighbourFlags, NeighbourState};
use rtnetlink::packet_route::tc::{
    TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcMessage, TcOption,
};
use rtnetlink::{Error, LinkBridgePort};
use rustix::io::Errno;

use super::link::Link;
use super::{Network, Said};

/// `ETH_P_ALL` (linux/if_ether.h).
const ALL_PROTOCOLS: u16 = 0x0003;
/// Among the classifiers of an interface, of which there is no other.
const PRIORITY: u16 = 1;

impl Network {
    /// A port of a bridge as containers need it: kept from other ports if it is to be `isolated`, with `mac` behind it
    /// and nowhere else.
    pub(super) fn set_up_port(
        &self,
        port: u32,
        bridge: &Link,
        mac: MacAddress,
        isolated: bool,
    ) -> Result<(), Said> {
        self.change(LinkBridgePort::new(port).isolated(isolated).build())?;
        // Frames that go past the bridge are none that it could learn from; without knowing, it would send to all ports.
        self.wait(|| {
            self.handle
                .neighbours()
                .add_bridge(port, &mac.0)
                .state(NeighbourState::Noarp)
                .flags(NeighbourFlags::Controller | NeighbourFlags::Sticky)
                .replace()
                .execute()
        })?;
        if let Err(reason) = self.shorten_way_to_host(port, bridge) {
            // Which is all the same as long as the host does not filter bridged frames.
            tracing::warn!(
                bridge = bridge.name,
                reason,
                "this kernel does not let frames past a bridge: where net.bridge.bridge-nf-call-iptables is 1, containers \
                 may not reach published ports of their own network at the host's addresses"
            );
        }
        Ok(())
    }

    fn shorten_way_to_host(&self, port: u32, bridge: &Link) -> Result<(), String> {
        let index = i32::try_from(port).map_err(|error| error.to_string())?;
        let address = bridge.address.ok_or("the bridge has no hardware address")?;
        let program = program_of_bridge_port(bridge.index, address).map_err(|error| error.to_string())?;
        match self.wait(|| self.handle.qdisc().add(index).ingress().execute()) {
            Err(said) if !said.is(Errno::EXIST) => return Err(said.to_string()),
            _ => {}
        }
        self.wait(|| self.classify(index, &program))
            .map_err(|said| said.to_string())
    }

    /// Puts a program in the place of the one that is there, if there is one.
    async fn classify(&self, port: i32, program: &OwnedFd) -> Result<(), Error> {
        let mut message = TcMessage::with_index(port);
        message.header.handle = TcHandle::from(1);
        message.header.parent = TcHandle {
            major: 0xffff,
            minor: TcHandle::MIN_INGRESS,
        };
        message.header.info = u32::from(TcHandle {
            major: PRIORITY,
            minor: ALL_PROTOCOLS.to_be(),
        });
        let options = [
            TcFilterBpfOption::ProgFd(program.as_raw_fd().cast_unsigned()),
            TcFilterBpfOption::ProgName("kleene".to_owned()),
            TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
        ];
        message.attributes = vec![
            TcAttribute::Kind(TcFilterBpf::KIND.to_owned()),
            TcAttribute::Options(options.into_iter().map(TcOption::Bpf).collect()),
        ];
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewTrafficFilter(message));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
        let mut answers = self.handle.clone().request(request)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(Error::NetlinkError(error));
            }
        }
        Ok(())
    }
}
