<?php
/*
 * A stand-in of 1C-Bitrix: what the program that cancels asks of it, and no more. Its Order refuses and fails as that of the
 * module "sale" does: setField() and save() give a Result with Errors that have a code and a message.
 */

namespace {
    require_once $_SERVER['DOCUMENT_ROOT'] . '/shop.php';

    define('SITE_CHARSET', shop()['charset'] ?? 'UTF-8');
    if (!defined('NOT_CHECK_PERMISSIONS')) {
        die('Access denied');
    }
}

namespace Bitrix\Main {
    class Loader
    {
        public static function includeModule($name)
        {
            return $name === 'sale' && empty(shop()['no_sale']);
        }
    }

    class Application
    {
        public static function getInstance()
        {
            return new self();
        }

        public function terminate($status = 0)
        {
            change((int) array_key_first(shop()['orders']), [], [['finished' => true]]);
            trouble('finish');
            exit($status);
        }
    }
}

namespace Bitrix\Main\Text {
    class Encoding
    {
        public static function convertEncoding($text, $from, $to)
        {
            if ([$from, $to] !== ['UTF-8', 'windows-1251']) {
                throw new \RuntimeException("not foreseen: $from to $to");
            }
            return preg_replace_callback('/[\x{401}\x{410}-\x{44F}\x{451}]/u', static function (array $found): string {
                [, $high, $low] = unpack('C2', $found[0]);
                $code = ($high & 31) << 6 | $low & 63;
                return chr([0x401 => 0xA8, 0x451 => 0xB8][$code] ?? $code - 0x410 + 0xC0);
            }, $text);
        }
    }
}

namespace Bitrix\Sale {
    class Error
    {
        private $message;
        private $code;

        public function __construct($message, $code)
        {
            $this->message = $message;
            $this->code = $code;
        }

        public function getMessage()
        {
            return $this->message;
        }

        public function getCode()
        {
            return $this->code;
        }
    }

    class Result
    {
        private $errors;

        public function __construct(array $codes = [])
        {
            $this->errors = array_map(static function (string $code): Error {
                return new Error("what $code means", $code);
            }, $codes);
        }

        public function isSuccess()
        {
            return $this->errors === [];
        }

        public function getErrors()
        {
            return $this->errors;
        }
    }

    class Order
    {
        private $fields;

        private function __construct(array $fields)
        {
            $this->fields = $fields;
        }

        public static function load($id)
        {
            if ((int) $id <= 0) {
                throw new \RuntimeException('Argument "id" is null or empty');
            }
            $fields = shop()['orders'][(int) $id] ?? null;
            return $fields === null ? null : new self($fields);
        }

        public static function loadByAccountNumber($number)
        {
            if (trim($number) === '') {
                throw new \RuntimeException('Argument "value" is null or empty');
            }
            $found = array_filter(shop()['orders'], static function (array $order) use ($number): bool {
                return strcasecmp(rtrim(self::stored($order['ACCOUNT_NUMBER'])), rtrim($number)) === 0;
            });
            return $found === [] ? false : new self(reset($found));
        }

        public function getId()
        {
            return $this->fields['ID'];
        }

        public function getField($name)
        {
            return self::stored($this->fields[$name]);
        }

        public function isCanceled()
        {
            return $this->fields['CANCELED'] === 'Y';
        }

        public function setField($name, $value)
        {
            if ($name === 'CANCELED') {
                trouble('cancel');
                $errors = shop()['errors']['CANCELED'] ?? [];
                if ($errors !== []) {
                    return new Result($errors);
                }
            }
            $this->fields[$name] = $value;
            return new Result(shop()['errors'][$name] ?? []);
        }

        public function save()
        {
            $errors = shop()['errors']['save'] ?? [];
            if ($errors !== []) {
                return new Result($errors);
            }
            change($this->fields['ID'], ['CANCELED' => shop()['instead'] ?? $this->fields['CANCELED']], [
                ['reason in base64' => base64_encode($this->fields['REASON_CANCELED'])],
            ]);
            return new Result();
        }

        private static function stored($text)
        {
            return SITE_CHARSET === 'UTF-8'
                ? $text
                : \Bitrix\Main\Text\Encoding::convertEncoding((string) $text, 'UTF-8', SITE_CHARSET);
        }
    }
}

namespace {
    trouble('end');
    trouble('boot');
}
