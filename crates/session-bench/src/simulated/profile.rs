//! The links of the simulated rows, as `profiles.json` has them. They were fixed before anything was measured.

use std::num::NonZeroU64;
use std::time::Duration;

use serde_json::Value;
use session_sim::{Bursts, LinkConfig, Policer, Probability, Reordering};

use crate::Failure;

/// Bytes of the smallest datagrams with which QUIC works: what every path is to carry.
pub(super) const QUIC_DATAGRAM: u16 = 1200;

/// A link between two nodes. Data goes forward, acknowledgements come back.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    pub(super) name: String,
    /// How long a flow runs whose goodput is measured.
    pub(super) time: Duration,
    /// Bytes of the datagrams that both sides send; below what QUIC needs, session is alone.
    pub(super) datagram: u16,
    pub(super) forward: LinkConfig,
    pub(super) backward: LinkConfig,
}

impl Profile {
    /// All of them.
    pub(super) fn all() -> Result<Vec<Self>, Failure> {
        let file: Value = serde_json::from_str(include_str!("../../profiles.json"))?;
        file.as_array().ok_or("profiles.json is no list")?.iter().map(Self::of).collect()
    }

    fn of(value: &Value) -> Result<Self, Failure> {
        Ok(Self {
            name: value["name"].as_str().ok_or("a profile has no name")?.to_owned(),
            time: Duration::from_secs(number(&value["seconds"])?),
            datagram: value
                .get("datagram")
                .map_or(Ok(QUIC_DATAGRAM), |value| Ok::<_, Failure>(u16::try_from(number(value)?)?))?,
            forward: link(&value["forward"])?,
            backward: link(&value["backward"])?,
        })
    }
}

fn link(value: &Value) -> Result<LinkConfig, Failure> {
    let known = [
        "kilobits_per_second",
        "delay_us",
        "queue_bytes",
        "jitter_us",
        "loss_ppm",
        "reordering",
        "policer",
        "bursts",
        "mtu",
    ];
    let fields = value.as_object().ok_or("a link has no fields")?;
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("`{unknown}` says nothing about a link").into());
    }
    let optional = |name: &str| fields.get(name).map_or(Ok(0), number);
    let mut link = LinkConfig {
        bandwidth: Some(bytes_per_second(&value["kilobits_per_second"])?),
        delay: Duration::from_micros(number(&value["delay_us"])?),
        jitter: Duration::from_micros(optional("jitter_us")?),
        queue: Some(usize::try_from(number(&value["queue_bytes"])?)?),
        loss: Probability::from_ppm(u32::try_from(optional("loss_ppm")?)?),
        mtu: fields.get("mtu").map(number).transpose()?.map(usize::try_from).transpose()?,
        ..LinkConfig::default()
    };
    if let Some(value) = fields.get("reordering") {
        link.reordering = Reordering::new(
            Probability::from_ppm(u32::try_from(number(&value["ppm"])?)?),
            u8::try_from(number(&value["displacement"])?)?,
            Duration::from_micros(number(&value["hold_us"])?),
        );
    }
    if let Some(value) = fields.get("policer") {
        let rate = bytes_per_second(&value["kilobits_per_second"])?;
        link.policer = Some(Policer { rate, burst: number(&value["burst_bytes"])? });
    }
    if let Some(value) = fields.get("bursts") {
        let loss = Probability::from_ppm(u32::try_from(number(&value["loss_ppm"])?)?);
        link.bursts = Some(Bursts::of(loss, u32::try_from(number(&value["length"])?)?));
    }
    Ok(link)
}

fn bytes_per_second(value: &Value) -> Result<NonZeroU64, Failure> {
    Ok(NonZeroU64::new(number(value)? * 1_000 / 8).ok_or("a rate is zero")?)
}

fn number(value: &Value) -> Result<u64, Failure> {
    value.as_u64().ok_or_else(|| format!("{value} is not a number").into())
}
