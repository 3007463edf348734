// What C++ shares with TypeScript, written by tools/layout-header.mjs from src/contract/, where each number and each column is
// explained. The addon exports the numbers, and native/addon.ts compares them when it loads.
#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdint>

// clang-format off
#define HAWSER_LAYOUT(X) \
  X(facts, bytes, 0) \
  X(facts, segments, 1) \
  X(facts, progress, 2) \
  X(facts, peer, 3) \
  X(facts, flow, 4) \
  X(facts, protocol, 5) \
  X(facts, sourcePort, 6) \
  X(facts, destinationPort, 7) \
  X(facts, trafficClass, 8) \
  X(facts, payloadBytes, 9) \
  X(facts, pureAck, 10) \
  X(facts, ack, 11) \
  X(facts, syn, 12) \
  X(facts, columns, 13) \
  X(facts, cellBytes, 4) \
  X(feedback, ackedPackets, 0) \
  X(feedback, ackedBytes, 1) \
  X(feedback, lostPackets, 2) \
  X(feedback, lostBytes, 3) \
  X(feedback, spuriousPackets, 4) \
  X(feedback, inFlightBytes, 5) \
  X(feedback, oldestSentUs, 6) \
  X(feedback, rttUs, 7) \
  X(feedback, delayUs, 8) \
  X(feedback, hasSection, 9) \
  X(feedback, packets, 10) \
  X(feedback, bytes, 11) \
  X(feedback, arrivalUs, 12) \
  X(feedback, resentPackets, 13) \
  X(feedback, lostRuns, 14) \
  X(feedback, hasMarks, 15) \
  X(feedback, ecnPackets, 16) \
  X(feedback, markedPackets, 17) \
  X(feedback, ackedLongest, 18) \
  X(feedback, lostLongest, 19) \
  X(feedback, ackedSentUs, 20) \
  X(feedback, columns, 21) \
  X(feedback, cellBytes, 8) \
  X(flight, watched, 1) \
  X(flight, resendable, 2) \
  X(gaps, slot, 0) \
  X(gaps, peer, 1) \
  X(gaps, missing, 2) \
  X(gaps, sinceUs, 3) \
  X(gaps, held, 4) \
  X(gaps, isReady, 5) \
  X(gaps, columns, 6) \
  X(gaps, cellBytes, 8) \
  X(gaps, max, 64) \
  X(lateness, peer, 0) \
  X(lateness, lateUs, 1) \
  X(lateness, wasGivenUp, 2) \
  X(lateness, columns, 3) \
  X(lateness, cellBytes, 8) \
  X(lateness, max, 128) \
  X(opened, packets, 0) \
  X(opened, bytes, 1) \
  X(opened, replayed, 2) \
  X(opened, rejected, 3) \
  X(opened, keepalives, 4) \
  X(opened, control, 5) \
  X(opened, unknown, 6) \
  X(opened, stalled, 7) \
  X(opened, parity, 8) \
  X(opened, rebuilt, 9) \
  X(opened, unmarkable, 10) \
  X(opened, fragments, 11) \
  X(opened, unjoined, 12) \
  X(opened, columns, 13) \
  X(opened, cellBytes, 4) \
  X(outerFragments, never, 0) \
  X(outerFragments, auto, 1) \
  X(outerFragments, always, 2) \
  X(runs, record, 0) \
  X(runs, from, 1) \
  X(runs, count, 2) \
  X(runs, receiverIndex, 3) \
  X(runs, slot, 4) \
  X(runs, cipher, 5) \
  X(runs, columns, 6) \
  X(runs, cellBytes, 4) \
  X(runs, max, 512) \
  X(tooLong, cut, 0) \
  X(tooLong, fragmented, 1) \
  X(tooLong, outer, 2) \
  X(tooLong, refused, 3) \
  X(tooLong, told, 4) \
  X(tooLong, columns, 5) \
  X(tooLong, cellBytes, 8) \
  X(errnoOf, EPERM, 1) \
  X(errnoOf, ENOENT, 2) \
  X(errnoOf, ESRCH, 3) \
  X(errnoOf, EINTR, 4) \
  X(errnoOf, EAGAIN, 11) \
  X(errnoOf, EEXIST, 17) \
  X(errnoOf, ENODEV, 19) \
  X(errnoOf, ENOSPC, 28) \
  X(errnoOf, EBADFD, 77) \
  X(errnoOf, EMSGSIZE, 90) \
  X(errnoOf, EOPNOTSUPP, 95) \
  X(errnoOf, EAFNOSUPPORT, 97) \
  X(errnoOf, EADDRNOTAVAIL, 99) \
  X(errnoOf, ENOBUFS, 105) \
  X(flow, most, 4096) \
  X(flow, magic, 1212566607) \
  X(flow, magicAt, 0) \
  X(flow, rowsAt, 4) \
  X(flow, usedAt, 128) \
  X(flow, dataAt, 512) \
  X(flow, rowBytes, 256) \
  X(flow, stateAt, 72) \
  X(flow, timestampsAt, 76) \
  X(flow, sendNextAt, 80) \
  X(flow, sendUnacknowledgedAt, 84) \
  X(flow, sendWindowAt, 88) \
  X(flow, sendShiftAt, 92) \
  X(flow, receiveNextAt, 96) \
  X(flow, sendMostAt, 100) \
  X(flow, windowFieldAt, 104) \
  X(flow, receiveWindowAt, 108) \
  X(flow, recentStampAt, 112) \
  X(flow, stampOffsetAt, 116) \
  X(flow, identificationAt, 120) \
  X(flow, flowLabelAt, 124) \
  X(flow, owedSegmentsAt, 128) \
  X(flow, touchedAt, 132) \
  X(flow, receivedUsAt, 136) \
  X(flow, sentUsAt, 144) \
  X(flow, sentDataUsAt, 152) \
  X(flow, owedBytesAt, 160) \
  X(flow, recentNextAt, 168) \
  X(flow, acceptedAt, 172) \
  X(flow, triesAt, 176) \
  X(flow, settledAt, 180) \
  X(flow, dueUsAt, 184) \
  X(flow, stateUsAt, 192) \
  X(flow, resetUsAt, 200) \
  X(flow, acknowledgeUsAt, 208) \
  X(flow, waitingUsAt, 216) \
  X(flow, challengedUsAt, 224) \
  X(flow, recentEchoAt, 232) \
  X(flow, firstSentAt, 236) \
  X(flow, firstReceivedAt, 240) \
  X(flow, seenUnacknowledgedAt, 244) \
  X(flow, replacedUsAt, 248) \
  X(flowState, free, 0) \
  X(flowState, dialled, 1) \
  X(flowState, open, 2) \
  X(flowState, closed, 3) \
  X(segment, rows, 64) \
  X(segment, rowBytes, 2304) \
  X(segment, flowAt, 72) \
  X(segment, headerBytesAt, 76) \
  X(segment, payloadBytesAt, 80) \
  X(segment, keptBytesAt, 84) \
  X(segment, timeAt, 88) \
  X(segment, trafficClassAt, 96) \
  X(segment, segmentBytesAt, 100) \
  X(segment, headerAt, 104) \
  X(segment, payloadAt, 168) \
  X(segment, mostPayloadBytes, 2048) \
  X(tcpFlag, fin, 1) \
  X(tcpFlag, syn, 2) \
  X(tcpFlag, rst, 4) \
  X(tcpFlag, psh, 8) \
  X(tcpFlag, ack, 16) \
  X(tuple, endpointAt, 0) \
  X(tuple, localAt, 32) \
  X(tuple, localPortAt, 48) \
  X(tuple, linkHeaderBytesAt, 50) \
  X(tuple, interfaceAt, 52) \
  X(tuple, nextHopAt, 56) \
  X(tuple, ownLinkAddressAt, 62) \
  X(tuple, bytes, 72) \
  X(wanted, rows, 16) \
  X(wanted, rowBytes, 2304) \
  X(wanted, endpointAt, 0) \
  X(wanted, localAt, 64) \
  X(wanted, payloadBytesAt, 80) \
  X(wanted, payloadAt, 88) \
  X(wanted, mostPayloadBytes, 2048) \
  X(capability, controlFrames, 1) \
  X(capability, aes256gcm, 2) \
  X(capability, paths, 4) \
  X(capability, fec, 8) \
  X(capability, pathSizes, 16) \
  X(capability, ecn, 32) \
  X(capability, names, 64) \
  X(capability, repairs, 128) \
  X(capability, limits, 256) \
  X(capability, enrol, 512) \
  X(capability, again, 1024) \
  X(controlKind, hello, 1) \
  X(controlKind, report, 2) \
  X(controlKind, challenge, 3) \
  X(controlKind, response, 4) \
  X(controlKind, probe, 5) \
  X(controlKind, probeReply, 6) \
  X(controlKind, parity, 7) \
  X(controlKind, skip, 8) \
  X(controlKind, fragment, 9) \
  X(controlKind, names, 10) \
  X(controlKind, limits, 11) \
  X(controlKind, enrol, 12) \
  X(fragment, kindAt, 1) \
  X(fragment, indexAt, 2) \
  X(fragment, flagsAt, 3) \
  X(fragment, totalAt, 4) \
  X(fragment, pieceBytesAt, 6) \
  X(fragment, headerBytes, 8) \
  X(fragment, flagOrdered, 1) \
  X(fragment, flagAgain, 2) \
  X(fragment, againBytes, 8) \
  X(fragment, maxPieces, 64) \
  X(parity, kindAt, 1) \
  X(parity, dataAt, 2) \
  X(parity, indexAt, 3) \
  X(parity, shardBytesAt, 4) \
  X(parity, baseAt, 6) \
  X(parity, membersAt, 14) \
  X(parity, headerBytes, 22) \
  X(parity, lengthBytes, 2) \
  X(parity, maxData, 64) \
  X(parity, maxParity, 16) \
  X(parity, excessBytes, 40) \
  X(report, sectionsAt, 2) \
  X(report, flagsAt, 3) \
  X(report, receiverIndexAt, 4) \
  X(report, nextAt, 8) \
  X(report, wordsAt, 16) \
  X(report, timeAt, 20) \
  X(report, headerBytes, 24) \
  X(report, backAt, 0) \
  X(report, arrivalAt, 4) \
  X(report, packetsAt, 8) \
  X(report, bytesAt, 12) \
  X(report, sectionBytes, 16) \
  X(report, maxSections, 32) \
  X(report, flagRebuilt, 1) \
  X(report, flagMarks, 2) \
  X(report, marksBytes, 8) \
  X(report, maxWords, 128) \
  X(skip, countAt, 4) \
  X(skip, firstAt, 8) \
  X(skip, bytes, 16) \
  X(carrier, rowsPerLink, 8) \
  X(carrier, magic, 1212367186) \
  X(carrier, magicAt, 0) \
  X(carrier, rowsAt, 4) \
  X(carrier, dataAt, 512) \
  X(carrier, rowBytes, 128) \
  X(carrier, outqBytesAt, 0) \
  X(carrier, gsoAt, 4) \
  X(carrier, groAt, 8) \
  X(carrier, sentBytesAt, 16) \
  X(carrier, sentPacketsAt, 24) \
  X(carrier, receivedBytesAt, 32) \
  X(carrier, receivedPacketsAt, 40) \
  X(carrier, errorsAt, 48) \
  X(carrier, droppedAt, 56) \
  X(carrier, lastErrorAt, 64) \
  X(carrier, placeAt, 72) \
  X(carrier, forcedAt, 76) \
  X(carrier, turnAt, 80) \
  X(carrier, fragmenting4At, 84) \
  X(carrier, fragmenting6At, 88) \
  X(carrier, beside4At, 92) \
  X(carrier, beside6At, 96) \
  X(check, rowsPerLink, 8) \
  X(check, magic, 1212368971) \
  X(check, magicAt, 0) \
  X(check, rowsAt, 4) \
  X(check, dataAt, 512) \
  X(check, rowBytes, 512) \
  X(check, sequenceAt, 0) \
  X(check, stateAt, 4) \
  X(check, inRowAt, 8) \
  X(check, textBytesAt, 12) \
  X(check, askedUsAt, 16) \
  X(check, changedUsAt, 24) \
  X(check, rttUsAt, 32) \
  X(check, probesAt, 40) \
  X(check, answersAt, 48) \
  X(check, textAt, 64) \
  X(check, mostTextBytes, 440) \
  X(link, magic, 1212960331) \
  X(link, magicAt, 0) \
  X(link, rowsAt, 4) \
  X(link, dataAt, 512) \
  X(link, rowBytes, 512) \
  X(link, needsSourceAt, 72) \
  X(link, source4At, 76) \
  X(link, source6At, 80) \
  X(link, healthStateAt, 128) \
  X(link, healthReasonAt, 132) \
  X(link, healthMethodAt, 136) \
  X(link, healthInRowAt, 140) \
  X(link, healthJudgedUsAt, 144) \
  X(link, healthChangedUsAt, 152) \
  X(link, healthRttUsAt, 160) \
  X(link, healthMinRttUsAt, 168) \
  X(link, healthMaxRttUsAt, 176) \
  X(link, healthJitterUsAt, 184) \
  X(link, healthLossAt, 192) \
  X(link, healthUptimeAt, 200) \
  X(link, healthProbesAt, 208) \
  X(link, healthAnswersAt, 216) \
  X(link, disabledAt, 224) \
  X(link, forcedAt, 228) \
  X(link, interfaceMtuAt, 232) \
  X(link, suggestedWeightAt, 236) \
  X(link, suggestedRoleAt, 240) \
  X(link, healthScoresAt, 256) \
  X(link, historyCountAt, 276) \
  X(link, historyAt, 288) \
  X(link, historyRows, 12) \
  X(link, historyRowBytes, 16) \
  X(link, healthKnownUsAt, 480) \
  X(link, healthUpUsAt, 488) \
  X(linkHealth, unknown, 0) \
  X(linkHealth, up, 1) \
  X(linkHealth, degraded, 2) \
  X(linkHealth, down, 3) \
  X(linkHealthReason, none, 0) \
  X(linkHealthReason, failures, 1) \
  X(linkHealthReason, loss, 2) \
  X(linkHealthReason, latency, 3) \
  X(linkHealthReason, jitter, 4) \
  X(linkHealthReason, answers, 5) \
  X(linkHealthReason, checks, 6) \
  X(probeMethod, none, 0) \
  X(probeMethod, icmp, 1) \
  X(probeMethod, http, 2) \
  X(probeMethod, https, 3) \
  X(probeMethod, dns, 4) \
  X(probeMethod, tcp, 5) \
  X(transport, udp, 0) \
  X(transport, faketcp, 1) \
  X(transport, tls, 2) \
  X(transport, test, 7) \
  X(transportHeaderBytes, udp, 8) \
  X(transportHeaderBytes, faketcp, 32) \
  X(transportHeaderBytes, tls, 0) \
  X(transportHeaderBytes, test, 8) \
  X(chainPart, literal, 0) \
  X(chainPart, random, 1) \
  X(chainPart, digits, 2) \
  X(chainPart, letters, 3) \
  X(chainPart, time, 4) \
  X(obfuscation, idAt, 0) \
  X(obfuscation, wearAt, 4) \
  X(obfuscation, junkCountAt, 8) \
  X(obfuscation, junkLeastAt, 12) \
  X(obfuscation, junkMostAt, 16) \
  X(obfuscation, paddingsAt, 20) \
  X(obfuscation, headersAt, 36) \
  X(obfuscation, chainsAt, 68) \
  X(obfuscation, headerBytes, 72) \
  X(obfuscation, most, 16) \
  X(obfuscation, mostPaddingBytes, 512) \
  X(obfuscation, mostDatagramBytes, 1452) \
  X(allowedIps, magic, 1212238160) \
  X(allowedIps, magicAt, 0) \
  X(allowedIps, capacityAt, 4) \
  X(allowedIps, versionAt, 64) \
  X(allowedIps, usedAt, 128) \
  X(allowedIps, dataAt, 512) \
  X(allowedIps, nodeBytes, 12) \
  X(allowedIps, rootV4, 0) \
  X(allowedIps, rootV6, 1) \
  X(cipher, chacha20poly1305, 0) \
  X(cipher, aes256gcm, 1) \
  X(cipher, plaintext, 2) \
  X(endpoint, bytes, 64) \
  X(endpoint, ip4, 2) \
  X(endpoint, ip6, 10) \
  X(endpoint, named, 256) \
  X(endpoint, nameAt, 4) \
  X(endpoint, mostNameBytes, 60) \
  X(journal, at, 256) \
  X(journal, rows, 64) \
  X(judgedJournal, versionAt, 192) \
  X(judgedJournal, at, 512) \
  X(judgedJournal, bytes, 256) \
  X(path, mostPerPeer, 64) \
  X(path, magic, 1213219156) \
  X(path, magicAt, 0) \
  X(path, rowsAt, 4) \
  X(path, versionAt, 64) \
  X(path, usedAt, 128) \
  X(path, dataAt, 1536) \
  X(path, rowBytes, 640) \
  X(path, sequenceAt, 0) \
  X(path, stateAt, 4) \
  X(path, peerAt, 8) \
  X(path, carrierAt, 12) \
  X(path, nextAt, 16) \
  X(path, interfaceAt, 20) \
  X(path, endpointAt, 24) \
  X(path, localAt, 88) \
  X(path, provenUsAt, 104) \
  X(path, bornUsAt, 112) \
  X(path, obfuscationAt, 120) \
  X(path, paddingBytesAt, 124) \
  X(path, sealedBytesAt, 128) \
  X(path, lifeAt, 136) \
  X(path, reasonAt, 140) \
  X(path, smoothedRttUsAt, 144) \
  X(path, minRttUsAt, 152) \
  X(path, jitterUsAt, 160) \
  X(path, lossAt, 168) \
  X(path, rateBpsAt, 176) \
  X(path, inFlightBytesAt, 184) \
  X(path, queueDelayUsAt, 192) \
  X(path, changedUsAt, 200) \
  X(path, lostPacketsAt, 208) \
  X(path, resentPacketsAt, 216) \
  X(path, scheduledPacketsAt, 224) \
  X(path, lastProgressUsAt, 232) \
  X(path, paceBpsAt, 240) \
  X(path, mtuAt, 248) \
  X(path, mayFragmentAt, 252) \
  X(path, sentBytesAt, 256) \
  X(path, lateBytesAt, 264) \
  X(path, refusedBytesAt, 272) \
  X(path, sentPacketsAt, 280) \
  X(path, tooLongPacketsAt, 288) \
  X(path, tooLongBytesAt, 296) \
  X(path, outMtuAt, 300) \
  X(path, hintsAt, 304) \
  X(path, hintBytesAt, 312) \
  X(path, sparedBytesAt, 316) \
  X(path, rateUsAt, 320) \
  X(path, probeLossAt, 328) \
  X(path, answerLossAt, 336) \
  X(path, lossyUsAt, 344) \
  X(path, ecnPacketsAt, 352) \
  X(path, markedPacketsAt, 360) \
  X(path, mtuUsAt, 368) \
  X(path, voteAt, 376) \
  X(path, holdAt, 380) \
  X(path, receivedBytesAt, 384) \
  X(path, receivedPacketsAt, 392) \
  X(path, lastReceivedAt, 400) \
  X(path, largestSlotAt, 408) \
  X(path, largestAt, 416) \
  X(path, largestTimeUsAt, 424) \
  X(path, lastDataReceivedAt, 432) \
  X(path, receivedEcnAt, 440) \
  X(path, receivedMarkedAt, 448) \
  X(path, largestBytesAt, 456) \
  X(path, peerLinkAt, 464) \
  X(path, peerLinkBytes, 32) \
  X(path, originAt, 496) \
  X(path, wishAt, 500) \
  X(path, wishUsAt, 504) \
  X(path, innerTxBytesAt, 512) \
  X(path, innerRxBytesAt, 576) \
  X(pathOrigin, learnt, 0) \
  X(pathOrigin, configured, 1) \
  X(pathOrigin, leaving, 2) \
  X(pathState, free, 0) \
  X(pathState, up, 1) \
  X(pathState, down, 2) \
  X(pathState, unproven, 3) \
  X(pathState, standby, 4) \
  X(pathVote, carries, 1) \
  X(pathVote, chosen, 2) \
  X(peer, magic, 1213220178) \
  X(peer, magicAt, 0) \
  X(peer, rowsAt, 4) \
  X(peer, versionAt, 64) \
  X(peer, usedAt, 128) \
  X(peer, totalSendBpsAt, 136) \
  X(peer, totalTakeBpsAt, 144) \
  X(peer, clientsKnownAt, 152) \
  X(peer, haveLeadsAt, 160) \
  X(peer, dataAt, 512) \
  X(peer, rowBytes, 512) \
  X(peer, inUseAt, 0) \
  X(peer, sendSlotAt, 4) \
  X(peer, pathAt, 8) \
  X(peer, lastHandshakeAt, 16) \
  X(peer, timestampAt, 32) \
  X(peer, kindAt, 48) \
  X(peer, farTimestampAt, 52) \
  X(peer, refusalAt, 64) \
  X(peer, refusedUsAt, 72) \
  X(peer, refusedCountAt, 80) \
  X(peer, behindUsAt, 88) \
  X(peer, firstPathAt, 96) \
  X(peer, lastDataSentAt, 128) \
  X(peer, lastSentAt, 136) \
  X(peer, handshakeWantedAt, 144) \
  X(peer, queuedPacketsAt, 148) \
  X(peer, queuedBytesAt, 152) \
  X(peer, droppedPacketsAt, 160) \
  X(peer, sentPacketsAt, 168) \
  X(peer, sentBytesAt, 176) \
  X(peer, resentPacketsAt, 184) \
  X(peer, innerMtuAt, 192) \
  X(peer, innerTxBytesAt, 200) \
  X(peer, limitedUsAt, 208) \
  X(peer, lastDataReceivedAt, 256) \
  X(peer, lastReceivedAt, 264) \
  X(peer, receivedPacketsAt, 272) \
  X(peer, receivedBytesAt, 280) \
  X(peer, replayedPacketsAt, 288) \
  X(peer, rejectedPacketsAt, 296) \
  X(peer, heldPacketsAt, 304) \
  X(peer, givenUpPacketsAt, 312) \
  X(peer, reorderDeadlineUsAt, 320) \
  X(peer, rebuiltPacketsAt, 328) \
  X(peer, innerRxBytesAt, 336) \
  X(peer, policedPacketsAt, 344) \
  X(peer, policedUsAt, 352) \
  X(peer, policeDebtAt, 360) \
  X(peer, policeUsAt, 368) \
  X(peer, shareBpsAt, 376) \
  X(peer, sendBpsAt, 384) \
  X(peer, policeBpsAt, 392) \
  X(peer, policeBurstBytesAt, 400) \
  X(peer, toldBpsAt, 408) \
  X(peer, priorityAt, 416) \
  X(peer, takeBpsAt, 424) \
  X(peer, isMeteredAt, 432) \
  X(peer, leadAt, 436) \
  X(peer, giveBpsAt, 440) \
  X(peer, saidBpsAt, 488) \
  X(peer, policedBytesAt, 448) \
  X(peer, sumDebtAt, 472) \
  X(peer, sumUsAt, 480) \
  X(peer, stopTxBytesAt, 456) \
  X(peer, stopRxBytesAt, 464) \
  X(peerKind, unknown, 0) \
  X(peerKind, hawser, 1) \
  X(peerKind, wireguard, 2) \
  X(peerRefusal, none, 0) \
  X(peerRefusal, clockBehind, 1) \
  X(peerRefusal, notItsKey, 2) \
  X(peerRefusal, unreadable, 3) \
  X(peerRefusal, unused, 4) \
  X(peerRefusal, busy, 5) \
  X(peerRefusal, obfuscation, 6) \
  X(peerRefusal, quota, 7) \
  X(peerRefusal, perAddress, 8) \
  X(peerRefusal, perClient, 9) \
  X(peerRefusal, unauthorised, 10) \
  X(peerRefusal, authoriserSilent, 11) \
  X(session, magic, 1213416787) \
  X(session, magicAt, 0) \
  X(session, slotsAt, 4) \
  X(session, windowBitsAt, 8) \
  X(session, versionAt, 64) \
  X(session, sealerSeenAt, 128) \
  X(session, openerSeenAt, 192) \
  X(session, usedAt, 72) \
  X(session, dataAt, 512) \
  X(session, slotBytes, 512) \
  X(session, stateAt, 0) \
  X(session, generationAt, 4) \
  X(session, peerAt, 8) \
  X(session, localIndexAt, 12) \
  X(session, localIndexAesAt, 16) \
  X(session, remoteIndexAt, 20) \
  X(session, remoteIndexAesAt, 24) \
  X(session, sendCipherAt, 28) \
  X(session, capabilitiesAt, 32) \
  X(session, initiatorAt, 36) \
  X(session, birthAt, 40) \
  X(session, expiryAt, 48) \
  X(session, sendKeyAt, 64) \
  X(session, receiveKeyAt, 96) \
  X(session, sendKeyAesAt, 128) \
  X(session, receiveKeyAesAt, 160) \
  X(session, sendCounterAt, 256) \
  X(session, receiveNextAt, 320) \
  X(session, firstReceivedAt, 328) \
  X(session, lastReceivedAt, 336) \
  X(session, earlyWindowAt, 384) \
  X(session, earlyWindowBytes, 128) \
  X(shards, most, 4) \
  X(slotState, free, 0) \
  X(slotState, ready, 1) \
  X(slotState, retired, 2) \
  X(descriptor, positionAt, 0) \
  X(descriptor, countAt, 4) \
  X(descriptor, segmentBytesAt, 8) \
  X(descriptor, lastBytesAt, 12) \
  X(descriptor, pathAt, 16) \
  X(descriptor, classAt, 20) \
  X(descriptor, counterAt, 24) \
  X(descriptor, slotAt, 32) \
  X(descriptor, lengthAt, 36) \
  X(descriptor, skipAt, 40) \
  X(descriptor, ecnAt, 44) \
  X(descriptor, bytes, 48) \
  X(frame, peerAt, 0) \
  X(frame, slotAt, 4) \
  X(frame, lengthAt, 8) \
  X(frame, classAt, 12) \
  X(frame, timeAt, 16) \
  X(frame, pathAt, 24) \
  X(frame, payloadAt, 32) \
  X(framePath, any, -1) \
  X(framePath, two, -2) \
  X(outgoing, endpointAt, 0) \
  X(outgoing, localAt, 64) \
  X(outgoing, interfaceAt, 80) \
  X(outgoing, lengthAt, 84) \
  X(outgoing, trafficClassAt, 88) \
  X(outgoing, obfuscationAt, 92) \
  X(outgoing, payloadAt, 96) \
  X(received, endpointAt, 0) \
  X(received, carrierAt, 64) \
  X(received, interfaceAt, 68) \
  X(received, localAt, 72) \
  X(received, segmentBytesAt, 88) \
  X(received, lengthAt, 92) \
  X(received, slotAt, 96) \
  X(received, progressAt, 100) \
  X(received, timeAt, 104) \
  X(received, trafficClassAt, 112) \
  X(received, obfuscationAt, 116) \
  X(received, payloadAt, 120) \
  X(recordType, train, 1) \
  X(recordType, received, 2) \
  X(recordType, descriptor, 3) \
  X(recordType, handshakeIn, 4) \
  X(recordType, handshakeOut, 5) \
  X(recordType, frameOut, 6) \
  X(recordType, frameIn, 7) \
  X(recordType, roamed, 8) \
  X(recordType, handshakeWanted, 9) \
  X(recordType, pathJudged, 10) \
  X(recordType, dataBegan, 11) \
  X(recordType, keysUsed, 12) \
  X(trafficClass, control, 0) \
  X(trafficClass, latency, 1) \
  X(trafficClass, bulk, 2) \
  X(train, progressAt, 0) \
  X(train, lengthAt, 4) \
  X(train, timeAt, 8) \
  X(train, vnetAt, 22) \
  X(train, packetAt, 32) \
  X(train, vnetBytes, 10) \
  X(train, maxRecordBytes, 65632) \
  X(counters, stateAt, 0) \
  X(counters, turnsAt, 4) \
  X(counters, beatAt, 8) \
  X(counters, parkedUntilAt, 16) \
  X(counters, busyTurnsAt, 24) \
  X(counters, busyUsAt, 32) \
  X(counters, longestTurnUsAt, 40) \
  X(counters, packetsAt, 48) \
  X(counters, bytesAt, 56) \
  X(counters, cellsAt, 128) \
  X(counters, bytes, 1024) \
  X(doorbell, armedAt, 0) \
  X(doorbell, mailAt, 64) \
  X(doorbell, bytes, 128) \
  X(log, magic, 1212960583) \
  X(log, magicAt, 0) \
  X(log, capacityAt, 4) \
  X(log, reservedAt, 128) \
  X(log, dataAt, 512) \
  X(log, unitBytes, 64) \
  X(ring, magic, 1213353543) \
  X(ring, magicAt, 0) \
  X(ring, capacityAt, 4) \
  X(ring, tailAt, 128) \
  X(ring, headAt, 256) \
  X(ring, workingAt, 260) \
  X(ring, crashesAt, 264) \
  X(ring, busyAt, 268) \
  X(ring, poisonedAt, 272) \
  X(ring, suspectAt, 276) \
  X(ring, publishedAt, 384) \
  X(ring, fullAt, 388) \
  X(ring, dataAt, 512) \
  X(ring, recordHeaderBytes, 8) \
  X(ring, paddingType, -1) \
  X(runState, starting, 0) \
  X(runState, running, 1) \
  X(runState, parked, 2) \
  X(runState, stopped, 3) \
  X(stash, magic, 1213420616) \
  X(stash, magicAt, 0) \
  X(stash, smallSlotsAt, 4) \
  X(stash, largeSlotsAt, 8) \
  X(stash, dataAt, 512) \
  X(stash, metaBytes, 32) \
  X(stash, inUseAt, 0) \
  X(stash, peerAt, 4) \
  X(stash, classAt, 8) \
  X(stash, flowAt, 12) \
  X(stash, bytesAt, 16) \
  X(stash, sequenceAt, 20) \
  X(stash, timeAt, 24) \
  X(stash, smallBytes, 2048) \
  X(stash, largeBytes, 65664)
// clang-format on

namespace hawser::layout {
#define HAWSER_CONSTANT(group, name, value) inline constexpr int64_t group##_##name = (value);
HAWSER_LAYOUT(HAWSER_CONSTANT)
#undef HAWSER_CONSTANT

static_assert(errnoOf_EPERM == EPERM);
static_assert(errnoOf_ENOENT == ENOENT);
static_assert(errnoOf_ESRCH == ESRCH);
static_assert(errnoOf_EINTR == EINTR);
static_assert(errnoOf_EAGAIN == EAGAIN);
static_assert(errnoOf_EEXIST == EEXIST);
static_assert(errnoOf_ENODEV == ENODEV);
static_assert(errnoOf_ENOSPC == ENOSPC);
static_assert(errnoOf_EBADFD == EBADFD);
static_assert(errnoOf_EMSGSIZE == EMSGSIZE);
static_assert(errnoOf_EOPNOTSUPP == EOPNOTSUPP);
static_assert(errnoOf_EAFNOSUPPORT == EAFNOSUPPORT);
static_assert(errnoOf_EADDRNOTAVAIL == EADDRNOTAVAIL);
static_assert(errnoOf_ENOBUFS == ENOBUFS);

struct FactsRow {
  int32_t bytes;
  int32_t segments;
  int32_t progress;
  int32_t peer;
  int32_t flow;
  int32_t protocol;
  int32_t sourcePort;
  int32_t destinationPort;
  int32_t trafficClass;
  int32_t payloadBytes;
  int32_t pureAck;
  int32_t ack;
  int32_t syn;
};
static_assert(sizeof(FactsRow) == 52);
static_assert(offsetof(FactsRow, bytes) == 0);
static_assert(offsetof(FactsRow, segments) == 4);
static_assert(offsetof(FactsRow, progress) == 8);
static_assert(offsetof(FactsRow, peer) == 12);
static_assert(offsetof(FactsRow, flow) == 16);
static_assert(offsetof(FactsRow, protocol) == 20);
static_assert(offsetof(FactsRow, sourcePort) == 24);
static_assert(offsetof(FactsRow, destinationPort) == 28);
static_assert(offsetof(FactsRow, trafficClass) == 32);
static_assert(offsetof(FactsRow, payloadBytes) == 36);
static_assert(offsetof(FactsRow, pureAck) == 40);
static_assert(offsetof(FactsRow, ack) == 44);
static_assert(offsetof(FactsRow, syn) == 48);

struct FeedbackRow {
  double ackedPackets;
  double ackedBytes;
  double lostPackets;
  double lostBytes;
  double spuriousPackets;
  double inFlightBytes;
  double oldestSentUs;
  double rttUs;
  double delayUs;
  double hasSection;
  double packets;
  double bytes;
  double arrivalUs;
  double resentPackets;
  double lostRuns;
  double hasMarks;
  double ecnPackets;
  double markedPackets;
  double ackedLongest;
  double lostLongest;
  double ackedSentUs;
};
static_assert(sizeof(FeedbackRow) == 168);
static_assert(offsetof(FeedbackRow, ackedPackets) == 0);
static_assert(offsetof(FeedbackRow, ackedBytes) == 8);
static_assert(offsetof(FeedbackRow, lostPackets) == 16);
static_assert(offsetof(FeedbackRow, lostBytes) == 24);
static_assert(offsetof(FeedbackRow, spuriousPackets) == 32);
static_assert(offsetof(FeedbackRow, inFlightBytes) == 40);
static_assert(offsetof(FeedbackRow, oldestSentUs) == 48);
static_assert(offsetof(FeedbackRow, rttUs) == 56);
static_assert(offsetof(FeedbackRow, delayUs) == 64);
static_assert(offsetof(FeedbackRow, hasSection) == 72);
static_assert(offsetof(FeedbackRow, packets) == 80);
static_assert(offsetof(FeedbackRow, bytes) == 88);
static_assert(offsetof(FeedbackRow, arrivalUs) == 96);
static_assert(offsetof(FeedbackRow, resentPackets) == 104);
static_assert(offsetof(FeedbackRow, lostRuns) == 112);
static_assert(offsetof(FeedbackRow, hasMarks) == 120);
static_assert(offsetof(FeedbackRow, ecnPackets) == 128);
static_assert(offsetof(FeedbackRow, markedPackets) == 136);
static_assert(offsetof(FeedbackRow, ackedLongest) == 144);
static_assert(offsetof(FeedbackRow, lostLongest) == 152);
static_assert(offsetof(FeedbackRow, ackedSentUs) == 160);

struct GapsRow {
  double slot;
  double peer;
  double missing;
  double sinceUs;
  double held;
  double isReady;
};
static_assert(sizeof(GapsRow) == 48);
static_assert(offsetof(GapsRow, slot) == 0);
static_assert(offsetof(GapsRow, peer) == 8);
static_assert(offsetof(GapsRow, missing) == 16);
static_assert(offsetof(GapsRow, sinceUs) == 24);
static_assert(offsetof(GapsRow, held) == 32);
static_assert(offsetof(GapsRow, isReady) == 40);

struct LatenessRow {
  double peer;
  double lateUs;
  double wasGivenUp;
};
static_assert(sizeof(LatenessRow) == 24);
static_assert(offsetof(LatenessRow, peer) == 0);
static_assert(offsetof(LatenessRow, lateUs) == 8);
static_assert(offsetof(LatenessRow, wasGivenUp) == 16);

struct OpenedRow {
  int32_t packets;
  int32_t bytes;
  int32_t replayed;
  int32_t rejected;
  int32_t keepalives;
  int32_t control;
  int32_t unknown;
  int32_t stalled;
  int32_t parity;
  int32_t rebuilt;
  int32_t unmarkable;
  int32_t fragments;
  int32_t unjoined;
};
static_assert(sizeof(OpenedRow) == 52);
static_assert(offsetof(OpenedRow, packets) == 0);
static_assert(offsetof(OpenedRow, bytes) == 4);
static_assert(offsetof(OpenedRow, replayed) == 8);
static_assert(offsetof(OpenedRow, rejected) == 12);
static_assert(offsetof(OpenedRow, keepalives) == 16);
static_assert(offsetof(OpenedRow, control) == 20);
static_assert(offsetof(OpenedRow, unknown) == 24);
static_assert(offsetof(OpenedRow, stalled) == 28);
static_assert(offsetof(OpenedRow, parity) == 32);
static_assert(offsetof(OpenedRow, rebuilt) == 36);
static_assert(offsetof(OpenedRow, unmarkable) == 40);
static_assert(offsetof(OpenedRow, fragments) == 44);
static_assert(offsetof(OpenedRow, unjoined) == 48);

struct RunsRow {
  int32_t record;
  int32_t from;
  int32_t count;
  int32_t receiverIndex;
  int32_t slot;
  int32_t cipher;
};
static_assert(sizeof(RunsRow) == 24);
static_assert(offsetof(RunsRow, record) == 0);
static_assert(offsetof(RunsRow, from) == 4);
static_assert(offsetof(RunsRow, count) == 8);
static_assert(offsetof(RunsRow, receiverIndex) == 12);
static_assert(offsetof(RunsRow, slot) == 16);
static_assert(offsetof(RunsRow, cipher) == 20);

struct TooLongRow {
  double cut;
  double fragmented;
  double outer;
  double refused;
  double told;
};
static_assert(sizeof(TooLongRow) == 40);
static_assert(offsetof(TooLongRow, cut) == 0);
static_assert(offsetof(TooLongRow, fragmented) == 8);
static_assert(offsetof(TooLongRow, outer) == 16);
static_assert(offsetof(TooLongRow, refused) == 24);
static_assert(offsetof(TooLongRow, told) == 32);
}  // namespace hawser::layout
