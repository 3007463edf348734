// Stands in for OpenSSL's header: AeadContext has two of these as members and the stub uses neither.
#pragma once

struct OSSL_PARAM {
  void* data;
};
